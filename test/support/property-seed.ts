import fc from 'fast-check'

/** Property tests repeat themselves, so that a build fails for what was changed; FC_SEED=… looks somewhere else. */
fc.configureGlobal({ seed: Number(process.env.FC_SEED ?? 20_261_122) })
