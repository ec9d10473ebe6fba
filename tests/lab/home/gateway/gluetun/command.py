"""Programs that are run: those of the gateway itself, and the commands that a person gives for a forwarded port."""

import subprocess
from collections.abc import Sequence

from .log import Failure, Logger

IP = "/usr/sbin/ip"
"""iproute2. What stands in PATH is BusyBox's, as in the real image."""
_SECONDS = 10


def run(*command: str) -> str:
    """What a program prints; raises Failure with its words where it fails or does not end."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise Failure(f"{' '.join(command)}: does not end") from None
    if done.returncode != 0:
        raise Failure(f"{(done.stderr or done.stdout).strip()}: exit status {done.returncode}")
    return done.stdout


def split(text: str) -> list[str]:
    """Words of a command, with backslashes and both kinds of quotes, and nothing else of a shell (internal/command/split.go)."""
    if not text:
        raise Failure("command is empty")
    words: list[str] = []
    at = 0
    while at < len(text):
        if text[at] in " \n\t":
            at += 1
        elif text[at : at + 2] == "\\\n":
            at += 2
        else:
            word, at = _word(text, at)
            words.append(word)
    return words


def _word(text: str, at: int) -> tuple[str, int]:
    """The word that begins there, and where it ends."""
    word = ""
    while at < len(text) and text[at] not in " \n\t":
        character = text[at]
        at += 1
        if character == "'":
            end = text.find("'", at)
            if end < 0:
                raise Failure(f'splitting word in "{text}": unterminated single-quoted string')
            word, at = word + text[at:end], end + 1
        elif character == '"':
            part, at = _double_quoted(text, at)
            word += part
        elif character == "\\":
            if at == len(text):
                raise Failure(f'splitting word in "{text}": unterminated backslash-escape')
            word += "" if text[at] == "\n" else text[at]
            at += 1
        else:
            word += character
    return word, at


def _double_quoted(text: str, at: int) -> tuple[str, int]:
    part = ""
    while at < len(text):
        if text[at] == '"':
            return part, at + 1
        if text[at] == "\\" and text[at + 1 : at + 2] in ("$", "`", '"', "\n", "\\"):
            part += "" if text[at + 1] == "\n" else text[at + 1]
            at += 2
        else:
            part += text[at]
            at += 1
    raise Failure(f'splitting word in "{text}": unterminated double-quoted string')


def for_ports(template: str, ports: Sequence[int], device: str) -> list[str]:
    """The words of an up or down command, its templates replaced (internal/portforward/service/command.go)."""
    numbers = [str(port) for port in ports]
    text = template.replace("{{PORTS}}", ",".join(numbers)).replace("{{PORT}}", numbers[0] if numbers else "")
    return split(text.replace("{{VPN_INTERFACE}}", device))


def run_for_ports(template: str, ports: Sequence[int], device: str, log: Logger) -> None:
    """Run an up or down command; its output goes to the log."""
    words = for_ports(template, ports, device)
    try:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except OSError as error:
        raise Failure(f'exec: "{words[0]}": {error.strerror}') from None
    out, said = process.communicate()
    for line in out.splitlines():
        log.info(line)
    for line in said.splitlines():
        log.error(line)
    if process.returncode != 0:
        raise Failure(f"exit status {process.returncode}")
