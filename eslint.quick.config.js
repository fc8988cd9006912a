import tseslint from 'typescript-eslint'
import all from './eslint.config.js'

/** For `npm run check`: the rules that need no types. Those that need types take minutes; `npm test` runs them. */
export default tseslint.config(...all, tseslint.configs.disableTypeChecked, {
  linterOptions: { reportUnusedDisableDirectives: 'off' },
})
