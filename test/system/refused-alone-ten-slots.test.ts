import { testOneRefused, testSomeRefused } from './refused-alone.js'

testOneRefused(10)
testSomeRefused(10)
