import { build, generate, install } from './prepare.mjs'

install()
generate()
build()
