import { Argument, type Command, Option } from 'commander'
import type { Act } from '../lib/cli.js'
import { addExamples } from '../lib/parse.js'

export function define(command: Command, act: Act): void {
  command
    .description('Prints a script that completes commands, options and their values with the Tab key.')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .action((shell: 'bash' | 'zsh' | 'fish') =>
      act(async (cli) => {
        const program = command.parent ?? command
        cli.print(SCRIPTS[shell](program.name(), entriesOf(program)))
        return 0
      }),
    )
  addExamples(
    command,
    'trackyard-batch completion bash >> ~/.bashrc',
    'trackyard-batch completion zsh > ~/.zfunc/_trackyard-batch   # a directory of $fpath',
    'trackyard-batch completion fish > ~/.config/fish/completions/trackyard-batch.fish',
  )
}

/** A command with the words that may follow it. */
interface Entry {
  /** "submit", "dead-letters retry"; empty for the program itself. */
  readonly path: string
  readonly summary: string
  readonly options: readonly Option[]
  readonly subcommands: readonly { readonly name: string; readonly summary: string }[]
  readonly takesFile: boolean
  /** What its argument may be; empty: anything. */
  readonly values: readonly string[]
}

/** What commander adds by itself. */
const HELP_OPTION = new Option('-h, --help', 'print help')
const HELP_COMMAND = { name: 'help', summary: 'print this help, or the help of a command' }

/** From commander's own tree, so that no option can be forgotten. */
function entriesOf(command: Command, path = ''): Entry[] {
  const named = command.commands.map((each) => ({ name: each.name(), summary: each.summary() }))
  const subcommands = path === '' ? [...named, HELP_COMMAND] : named
  const own: Entry = {
    path,
    summary: command.summary(),
    options: [...command.options.filter(({ hidden }) => !hidden), HELP_OPTION],
    subcommands,
    takesFile: command.registeredArguments.some((argument) => argument.name() === 'file'),
    values: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
  }
  const below = command.commands.flatMap((each) => entriesOf(each, `${path} ${each.name()}`.trim()))
  return [own, ...below]
}

const SCRIPTS = { bash, zsh, fish }

const longOf = ({ long, short }: Option): string => long ?? short ?? ''
/** Options whose value is a path get the shell's own completion. */
const isPath = (option: Option): boolean => /<(file|path)>/.test(option.flags)

const flagsOf = ({ long, short }: Option): string[] => [long, short].flatMap((flag) => flag ?? [])

/** Where this offers nothing, bash completes file names. Options are offered only after a dash. */
function bash(name: string, entries: readonly Entry[]): string {
  return `${[
    `# Completion of ${name} for bash: source it, for example from ~/.bashrc.`,
    '_trackyard_batch() {',
    `  local word path="" names="" options="" cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}"`,
    `  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do`,
    `    case "$path $word" in`,
    ...steps(entries).map(({ from, word, to }) => `      '${from} ${word}') path='${to}' ;;`),
    '    esac',
    '  done',
    '  case "$path $prev" in',
    ...entries.flatMap(({ path, options }) =>
      options.filter(({ required }) => required).map((option) => `    ${bashValues(path, option)} ;;`),
    ),
    '  esac',
    '  case "$path" in',
    ...entries.map(
      ({ path, options, subcommands, values }) =>
        `    '${path}') names='${[...subcommands.map((each) => each.name), ...values].join(' ')}' options='${options.map(longOf).join(' ')}' ;;`,
    ),
    '  esac',
    '  [[ $cur == -* ]] && names=$options',
    '  COMPREPLY=($(compgen -W "$names" -- "$cur"))',
    '}',
    `complete -o default -F _trackyard_batch ${name}`,
  ].join('\n')}`
}

function bashValues(path: string, option: Option): string {
  const patterns = flagsOf(option).map((flag) => `'${path} ${flag}'`)
  const values =
    option.argChoices === undefined ? '' : ` COMPREPLY=($(compgen -W '${option.argChoices.join(' ')}' -- "$cur"));`
  return `${patterns.join(' | ')})${values} return`
}

/** Which word leads to which command: `show` after `dead-letters` is not the command `show`. */
function steps(entries: readonly Entry[]) {
  return entries
    .filter(({ path }) => path !== '')
    .map(({ path }) => {
      const words = path.split(' ')
      return { from: words.slice(0, -1).join(' '), word: words.at(-1) ?? '', to: path }
    })
}

/** Escapes a text for single quotes, and for zsh's syntax of brackets and colons. */
const zshText = (text: string): string => text.replace(/'/g, "'\\''").replace(/[[\]:]/g, '\\$&')

function zsh(name: string, entries: readonly Entry[]): string {
  const described = (list: Entry['subcommands']) =>
    list.map((each) => `      '${zshText(each.name)}:${zshText(each.summary)}'`)
  const argumentsOf = ({ options, takesFile, values }: Entry) => [
    ...options.map((option) => {
      const value =
        option.required || option.optional
          ? `${option.optional ? '::' : ':'}${option.attributeName()}:${zshValues(option)}`
          : ''
      return `      '${longOf(option)}[${zshText(option.description)}]${value}'`
    }),
    `      '*:argument:${values.length > 0 ? `(${values.join(' ')})` : takesFile ? '_files' : ' '}'`,
  ]
  const [top, ...rest] = entries
  return [
    `#compdef ${name}`,
    `# Completion of ${name} for zsh: put it into a directory of $fpath, as _${name}.`,
    `_${name}() {`,
    '  local -a commands',
    '  if (( CURRENT == 2 )); then',
    '    commands=(',
    ...described(top?.subcommands ?? []),
    '    )',
    "    _describe 'command' commands",
    '    return',
    '  fi',
    ...rest
      .filter(({ subcommands }) => subcommands.length > 0)
      .flatMap(({ path, subcommands }) => [
        `  if (( CURRENT == 3 )) && [[ $words[2] == '${path}' && $words[3] != -* ]]; then`,
        '    commands=(',
        ...described(subcommands),
        '    )',
        "    _describe 'command' commands",
        '  fi',
      ]),
    '  case "$words[2] $words[3]" in',
    ...[...rest]
      .sort((a, b) => b.path.split(' ').length - a.path.split(' ').length)
      .flatMap((entry) => [
        `    '${entry.path}'${entry.path.includes(' ') ? '' : "' '*"})`,
        '      _arguments \\',
        argumentsOf(entry).join(' \\\n'),
        '      ;;',
      ]),
    '  esac',
    '}',
    `_${name} "$@"`,
  ].join('\n')
}

function zshValues(option: Option): string {
  if (option.argChoices !== undefined) return `(${option.argChoices.join(' ')})`
  return isPath(option) ? '_files' : ' '
}

const fishText = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`

function fish(name: string, entries: readonly Entry[]): string {
  return [
    `# Completion of ${name} for fish: put it into ~/.config/fish/completions.`,
    'function __trackyard_batch_path',
    "  set -l path ''",
    '  for word in (commandline -opc)[2..]',
    '    switch "$path $word"',
    ...steps(entries).map(({ from, word, to }) => `      case '${from} ${word}'; set path '${to}'`),
    '    end',
    '  end',
    '  echo $path',
    'end',
    ...entries.flatMap(({ path, options, subcommands, takesFile, values }) => {
      const line = (more: string) =>
        `complete -c ${name} -n ${fishText(`test (__trackyard_batch_path) = '${path}'`)} ${more}`
      return [
        ...(takesFile ? [] : [line('-f')]),
        ...subcommands.map((each) => line(`-a ${each.name} -d ${fishText(each.summary)}`)),
        ...(values.length === 0 ? [] : [line(`-a ${fishText(values.join(' '))}`)]),
        ...options.map((option) => {
          const value = option.required ? (isPath(option) ? ' -r -F' : ' -x') : ''
          const choices = option.argChoices === undefined ? '' : ` -a ${fishText(option.argChoices.join(' '))}`
          const short = option.short ? ` -s ${option.short.replace(/^-/, '')}` : ''
          const long = option.long ? ` -l ${option.long.replace(/^--/, '')}` : ''
          return line(`${long.trim()}${short}${value}${choices} -d ${fishText(option.description)}`)
        }),
      ]
    }),
  ].join('\n')
}
