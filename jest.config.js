/** @param {object} parser */
function swc(parser) {
  const transform = { react: { runtime: 'automatic', importSource: 'hono/jsx' } }
  return { jsc: { target: 'es2022', parser, transform }, module: { type: 'es6' }, sourceMaps: 'inline' }
}

/** Everything real: Redis, HTTP, processes. `--selectProjects` is not needed: the folders under test/ mirror src/. */
export default {
  testEnvironment: '<rootDir>/test/support/environment.mjs',
  roots: ['<rootDir>/test', '<rootDir>/src', '<rootDir>/workers'],
  setupFiles: ['<rootDir>/test/support/property-seed.ts'],
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts', '.tsx'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': ['@swc/jest', swc({ syntax: 'typescript' })],
    '^.+\\.tsx$': ['@swc/jest', swc({ syntax: 'typescript', tsx: true })],
  },
  coverageProvider: 'babel',
  collectCoverageFrom: ['src/**/*.{ts,tsx}', 'workers/**/*.ts'],
  // For a machine that is busy with other things.
  testTimeout: 180_000,
  // Most of the time tests wait for processes and timers, so two cores serve six files at once.
  maxWorkers: 6,
  // Of the tests that run side by side within a file.
  maxConcurrency: 4,
  testSequencer: '<rootDir>/test/support/slowest-first.mjs',
  // Node 20 does not free the modules of a file that is done. A worker that has run thirty files spends more
  // time in the garbage collector than in tests.
  workerIdleMemoryLimit: '500MB',
}
