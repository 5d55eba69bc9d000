# SPDX-License-Identifier: Apache-2.0
"""Logs in at a distribution's getty on the serial console, and makes the shell's prompt certain.

It looks only at what stands at the end of the console when nothing has come for a moment, so neither a message of the
day nor boot text is taken for a prompt; kernel messages between a prompt's letters are passed over. When nothing that
it knows stands there it presses Enter, to which a getty or a shell answers with a prompt.
"""

import re
import time

from vkbench import config, errors
from vkbench.instruments.protocol import Console
from vkbench.instruments.shell_text import clean, quoted, without_kernel

QUIET_S = 0.3
POKE_S = 5.0  # of nothing known: press Enter
ANSWER_S = 15.0  # after a user name or password; a name service that does not answer delays a login
ATTEMPTS = 2  # a garbled password must not end a run, and three wrong ones lock an account (pam_faillock)
TAIL = 200
SETUP_S = 20.0
#: agetty and login(1), util-linux login-utils/login.c: "Login incorrect", "Maximum number of tries exceeded"; busybox.
_REFUSED = re.compile(
    r"login incorrect|maximum number of tries|authentication failure|permission denied", re.IGNORECASE
)
_TIMED_OUT = re.compile(r"login timed out", re.IGNORECASE)
_LAST_LOGIN = re.compile(r"^last (failed )?login", re.IGNORECASE)
#: The end of any shell's prompt: "root@debian:~# ", "[root@sle ~]# ", "sh-5.2# ", "host:~ # ", "$ ".
_SHELL = re.compile(r"(?:^|[\w\])~/:. -])[#$%>] ?$")


def log_in(
    console: Console,
    login: config.model.Login | None,
    prompt: str,
    limit: float,
    start: int | None = None,
) -> None:
    """Have a root shell with this prompt, whatever the console shows now: a getty's or a shell's prompt, or nothing yet.

    ``start``: where the console's text counts from; None: from now on (Enter is pressed first). ``login`` None: no name
    is asked for. Raises LoginFailed, which never shows the password, or ConsoleDead. The wait is at most ``limit`` s.
    """
    _Attempt(console, login, prompt, time.monotonic() + limit).go(start)


class _Attempt:
    def __init__(self, console: Console, login: config.model.Login | None, prompt: str, end: float) -> None:
        self._console = console
        self._login = login
        self._prompt = prompt
        self._end = end
        self._password = login.password.read() if login and login.password else ""
        self._from = console.position  # what came before the last answer is not looked at again
        self._sent_at = time.monotonic()
        self._wait = POKE_S
        self._tried = 0
        self._answering = False  # the password was the last thing sent

    def go(self, start: int | None) -> None:
        if start is None:
            self._type("\n", POKE_S)
        else:
            self._from = start
        while True:
            self._wait_quiet()
            said = without_kernel(clean(self._console.text(self._from)))
            line = said.rpartition("\n")[2]
            if _REFUSED.search(said) and self._answering:
                if self._tried >= ATTEMPTS:
                    raise self._failed("refuses")
                self._answering = False
            if _TIMED_OUT.search(said):
                self._type("\n", POKE_S)
            elif self._login and self._asks(line, self._login.user_prompt):
                self._type(self._login.user + "\n", ANSWER_S)
            elif self._login and self._asks(line, self._login.password_prompt):
                self._give_password()
            elif line.endswith(self._prompt) or _SHELL.search(line):
                self._set_up()
                return
            elif time.monotonic() - self._sent_at > self._wait:
                self._type("\n", POKE_S)
            if time.monotonic() > self._end:
                raise self._failed("shows no shell to")

    @staticmethod
    def _asks(line: str, prompt: str) -> bool:
        return line.rstrip().endswith(prompt.rstrip()) and not _LAST_LOGIN.search(line)

    def _type(self, text: str, wait: float) -> None:
        self._from = self._console.position
        self._sent_at = time.monotonic()
        self._wait = wait
        self._answering = False
        self._console.send(text)

    def _give_password(self) -> None:
        if not self._password:
            raise self._failed("asks for a password of", "Name it in [server.login] password")
        self._tried += 1
        self._type(self._password + "\n", ANSWER_S)
        self._answering = True

    def _wait_quiet(self) -> None:
        while time.monotonic() < self._end:
            at = self._console.position
            try:
                self._console.expect(re.compile(r"[\s\S]"), QUIET_S, at)
            except errors.ConsoleTimeout:
                return

    def _set_up(self) -> None:
        """The prompt as the bench file has it, one line of any length, no colours; then root or not."""
        middle = len(self._prompt) // 2
        # Typed in two pieces, so that its echo is not taken for the prompt.
        prompt = quoted(self._prompt[:middle]) + quoted(self._prompt[middle:])
        line = f"export PS1={prompt} PROMPT_COMMAND= TERM=dumb; unset HISTFILE; stty cols 500 2>/dev/null"
        limit = max(SETUP_S, self._end - time.monotonic())
        # On a line of its own: another shell would refuse the whole line for a word it does not know.
        self._console.send(f" {line}\n")
        try:
            self._console.run(
                "if [ \"$BASH_VERSION\" ]; then bind 'set enable-bracketed-paste off' 2>/dev/null; fi; true",
                self._prompt,
                limit,
            )
            who = self._console.run("id -u", self._prompt, limit)
        except (errors.ConsoleTimeout, errors.ConsoleGarbled, errors.CommandFailed) as error:
            raise self._failed(f"has a shell that does not answer ({error.what}) for") from None
        if who != "0":
            raise self._failed(
                f"gave a shell that is not root's (user id {who}) to", "Name root in [server.login]"
            )

    def _failed(
        self, what: str, hint: str = "Check user and password in [server.login]"
    ) -> errors.LoginFailed:
        user = f"user {self._login.user!r}" if self._login else "anybody"
        tail = clean(self._console.text(max(0, self._console.position - 2 * TAIL))).strip()[-TAIL:]
        text = f"the server's console {what} {user}; last text: {tail!r}"
        if self._password:
            text = text.replace(self._password, "********")
        return errors.LoginFailed(text, self._console.where, hint)
