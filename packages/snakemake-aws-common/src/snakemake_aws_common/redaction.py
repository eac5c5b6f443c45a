"""Text of programs as it may be shown: without secrets, without orders to a terminal, and without endless lines."""

import re
from collections.abc import Iterable

HIDDEN = "[hidden]"
# The longest part of a line that is shown, in characters.
LONGEST_LINE = 1000

# Colours, titles and other control sequences of a terminal, and control characters.
_ORDERS = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b.|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)

_NAME = r"(?:secret|passw(?:or)?d|passphrase|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)[\w-]{0,40}"
# In quotes, which may themselves be escaped, or up to the next space.
_VALUE = r"(?:(?P<quote>\\?[\"']).*?(?P=quote)|\\?[\"']?[^\s\"'<]+)"
_SECRETS = (
    # Keys of AWS, and the signature of an address.
    re.compile(r"(?<![0-9A-Z])(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Z])"),
    re.compile(r"(?i)(?<=signature=)[^&\s\"',]+"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL),
    # Tokens of a known form.
    re.compile(r"(?i)(?<=bearer )[\w.~+/=-]{6,}|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*|\b(?:gh[a-z]|github_pat)_\w{20,}"),
    # The value after a name of a secret: name=value, "name": "value", <name>value, --name value.
    re.compile(rf"(?i)({_NAME}[\\\"']{{0,4}}[ \t]{{0,4}}[=:>][ \t]{{0,4}}){_VALUE}"),
    re.compile(rf"(?i)(--?{_NAME} )(?!-){_VALUE}"),
    re.compile(r"(?i)((?:authorization|cookie)[\\\"']{0,4}[ \t]{0,4}[=:][ \t]{0,4}[\\\"']{0,2})[^\"'\n]+"),
    # User and password of an address.
    re.compile(r"(?<=://)[^/?#\s\"'<>]+(?=@)"),
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text without known secrets, without anything that looks like one, and without control sequences.

    Long lines are cut to their beginning.
    """
    text = _ORDERS.sub("", text)
    # A secret may be the beginning of another.
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= 6:
            text = text.replace(secret, HIDDEN)
    for pattern in _SECRETS:
        text = pattern.sub(lambda found: (found[1] if found.re.groups else "") + HIDDEN, text)
    return "\n".join(map(_cut, text.split("\n")))


def _cut(line: str) -> str:
    left_out = len(line) - LONGEST_LINE
    return line if left_out <= 0 else f"{line[:LONGEST_LINE]}… ({left_out} more characters)"
