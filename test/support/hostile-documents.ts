const times = (count: number, make: (place: number) => string): string =>
  Array.from({ length: count }, (_, place) => make(place)).join(' ')

/** Fragments from F0 on, of which each has the text that is made of the next one's name. */
const chain = (length: number, make: (next: string) => string, last: string, type = 'Query'): string =>
  times(length, (place) => `fragment F${place} on ${type} { ${make(`F${place + 1}`)} }`) +
  ` fragment F${length} on ${type} { ${last} }`

const TWICE = (next: string) => `...${next} ...${next}`

/** Documents that are valid, and small, and of which a walk that enters fragments wherever they are spread never comes to an end. */
export const ENDLESS: Readonly<Record<string, string>> = {
  'forty fragments, each spreading the next one twice': `{ ...F0 } ${chain(40, TWICE, '__typename')}`,
  'the same in inline fragments': `{ ...F0 } ${chain(40, (next) => `... { ...${next} } ... { ...${next} }`, '__typename')}`,
  'the same below a field': `{ viewer { ...F0 } } ${chain(40, TWICE, 'subject', 'Viewer')}`,
  'the same with fields between': `{ viewer { ...F0 } } ${chain(40, (next) => `...${next} subject ...${next}`, 'subject', 'Viewer')}`,
  'the same in a mutation': `mutation { ...F0 } ${chain(40, TWICE, '__typename', 'Mutation')}`,
  'the same in a subscription': `subscription { ...F0 } ${chain(40, TWICE, 'sessionStatusChanged { kind }', 'Subscription')}`,
  'the same of the schema': `{ __schema { ...F0 } } ${chain(40, TWICE, '__typename', '__Schema')}`,
  'each of 24 fragments spreading all that come after it': `{ ...F0 } ${times(24, (place) => `fragment F${place} on Query { ${times(24 - place, (later) => `...F${place + later + 1}`)} }`)} fragment F24 on Query { __typename }`,
}

/** Documents that a walk, or a rule of validation, could take long for; some are not valid, and some are above a limit. */
export const LONG: Readonly<Record<string, string>> = {
  'a circle of 40 fragments, each spreading twenty others': `{ ...F0 } ${times(40, (place) => `fragment F${place} on Query { ${times(20, (other) => `...F${(place + other + 1) % 40}`)} }`)}`,
  'a circle of 200 fragments': `{ ...F0 } ${times(200, (place) => `fragment F${place} on Query { ...F${(place + 1) % 200} }`)}`,
  'a fragment in itself': '{ ...F } fragment F on Query { ...F ...F __typename }',
  'a hundred operations of a hundred fragments': `${times(100, (place) => `query Q${place} { ...F0 }`)} ${chain(100, (next) => `...${next}`, '__typename')}`,
  '1,900 fields of one name': `{ viewer { ${times(1_900, () => 'subject')} } }`,
  '1,750 fields of one name that are not the same': `{ viewer { ${times(50, () => 'a: subject')} ${times(1_700, () => 'a')} } }`,
  '490 fields with fields of their own': `{ ${times(490, () => 'viewer { subject }')} }`,
  '150 fragments of one object': `{ viewer { ${times(150, (place) => `...F${place}`)} } } ${times(150, (place) => `fragment F${place} on Viewer { subject scopes }`)}`,
  '600 inline fragments in one another': `{ ${'... { '.repeat(600)} __typename ${'} '.repeat(600)} }`,
  '900 lists in one another': `{ nodes(ids: ${'['.repeat(900)}1${']'.repeat(900)}) { id } }`,
  'a type of 900 lists': `query ($x: ${'['.repeat(900)}Int${']'.repeat(900)}) { viewer { subject } }`,
  '1,900 unknown fields': `{ ${times(1_900, (place) => `x${place}`)} }`,
  '300 variables that nothing uses': `query (${times(300, (place) => `$v${place}: Int`)}) { viewer { subject } }`,
  '600 directives': `{ viewer ${times(600, () => '@a')} { subject } }`,
}

/** Documents of up to a megabyte, which is all that a request may have. */
export const LARGE: Readonly<Record<string, string>> = {
  '500,000 line breaks before 100 unknown fields': `${'\n'.repeat(500_000)}{ ${times(100, (place) => `x${place}`)} }`,
  '90,000 line breaks before 100 unknown fields': `${'\n'.repeat(90_000)}{ ${times(100, (place) => `x${place}`)} }`,
  '90,000 line breaks before a circle of fragments': `${'\n'.repeat(90_000)}{ ...F0 } ${times(200, (place) => `fragment F${place} on Query { ...F${(place + 1) % 200} }`)}`,
  '90,000 line breaks before one that is no syntax': `${'\r'.repeat(90_000)}{ viewer { `,
  '45,000 comments': `${'#\n'.repeat(45_000)}{ viewer { subject } }`,
  'a name of 90,000 characters, a hundred times': `{ ...F } fragment F on Query { ${times(9, () => 'x'.repeat(10_000))} }`,
  'a text of 900,000 characters': `{ user(userId: "${'x'.repeat(900_000)}") { id } }`,
  'a text that does not end': `{ user(userId: "${'x'.repeat(900_000)}) { id } }`,
  'a block of 400,000 lines': `{ user(userId: """${'\n'.repeat(400_000)}""") { id } }`,
  'a number of 90,000 digits': `{ users(first: ${'1'.repeat(90_000)}) { totalCount } }`,
}
