"""The console script `gestures`, which is `python -m static_gesture_classification` too.

gestures                           # the list of commands
gestures COMMAND --help            # the settings of one
gestures COMMAND [SETTING=VALUE ...]
"""

from __future__ import annotations

import difflib
import importlib
import sys

from static_gesture_classification.commands import COMMANDS, choose_command, commands
from static_gesture_classification.garbage_collection import without_garbage_collection
from static_gesture_classification.terminal import say, tell_error


def main() -> None:
    """Run the command that the first argument names; without one, show the list."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help", "help"):
        show_commands()
        return
    command = choose_command(name, arguments)
    if command is None:
        alike = difflib.get_close_matches(name, commands(), 1)
        meant = f"did you mean `gestures {alike[0]}`?" if alike else "`gestures` lists them"
        tell_error(f"there is no command {name}; {meant}")
        sys.exit(2)
    if {"-h", "--help"} & set(arguments):  # without the command's libraries, which take seconds to load
        from static_gesture_classification.configuration import show_help_of

        show_help_of(command)
        return
    sys.argv = [f"gestures {command.name}", *arguments]
    with without_garbage_collection():
        module = importlib.import_module(command.module)
    module.main()


def show_commands() -> None:
    """Print the table of commands."""
    width = max(map(len, commands()))
    say("gestures COMMAND [SETTING=VALUE ...]\n\nCOMMAND --help shows the settings of a command.")
    for title, group in COMMANDS.items():
        say(f"\n{title}")
        for command in group:
            say(f"  {command.name:{width}}  {command.purpose}")


if __name__ == "__main__":
    main()
