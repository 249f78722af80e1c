import { testOneRefused, testSomeRefused } from './refused-alone.js'

testOneRefused(1)
testSomeRefused(1)
