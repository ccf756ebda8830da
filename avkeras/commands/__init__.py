"""One module per subcommand of `avkeras`.

A module has `HELP` (one line), `EXAMPLES` (command lines, for the end of its `--help`), `add_arguments(parser)` and
`run(options)`. Its name in `avkeras.cli.COMMANDS` makes it a subcommand. All may be imported for `avkeras --help`, so
what a command needs is imported in its functions.
"""
