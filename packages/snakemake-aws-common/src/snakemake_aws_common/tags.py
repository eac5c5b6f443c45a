"""Tags as settings give them: read strictly, and refused where AWS would refuse them with the first request.

S3 and AWS Batch document the same limits of keys and values: https://docs.aws.amazon.com/tag-editor/latest/userguide/
tagging.html; S3 counts UTF-16 code units.
"""

import re
import shlex

from snakemake_interface_common.exceptions import WorkflowError

LONGEST_KEY = 128
LONGEST_VALUE = 256
# The most tags of an object on S3, and of a job of AWS Batch.
MOST_OF_OBJECT = 10
MOST_OF_JOB = 50
ALLOWED = "letters, digits, spaces and _.:/=+-@, with no space at either end, and may not start with 'aws:'"
_TAKEN = re.compile(r"(?!(?i:aws):)[\w .:/=+@-]+")


def parse(setting: str, text: str | None, most: int) -> dict[str, str]:
    """Return the tags in `key=value key="some value"`; `setting` names the setting, with its dashes.

    Raises WorkflowError, naming the part that is wrong, unless they are at most `most` tags that AWS takes.
    """
    tags: dict[str, str] = {}
    for key, value in pairs(setting, text):
        for what, part, longest in (("key", key, LONGEST_KEY), ("value", value, LONGEST_VALUE)):
            if not is_taken(part, longest):
                raise WorkflowError(
                    f"{setting} has the tag '{key}={value}', whose {what} AWS does not take: it may have {longest} "
                    f"{ALLOWED}."
                )
        if key in tags:
            raise WorkflowError(f"{setting} has two tags with the key '{key}'. Give it one value.")
        tags[key] = value
    if len(tags) > most:
        allowed = "one tag" if most == 1 else f"{most} tags"
        raise WorkflowError(f"{setting} has {len(tags)} tags ({', '.join(tags)}); it may have {allowed}.")
    return tags


def is_taken(text: str, longest: int) -> bool:
    """Return whether AWS takes a text of at most `longest` characters as the key or the value of a tag."""
    length = len(text.encode("utf-16-le", "surrogatepass")) // 2
    return bool(_TAKEN.fullmatch(text)) and text == text.strip() and length <= longest


def pairs(setting: str, text: str | None) -> list[tuple[str, str]]:
    """Return the keys and values in `key=value key="some value"`, in which quotes hold what has spaces together.

    Raises WorkflowError, naming the part that is wrong.
    """
    words = shlex.shlex(text or "", posix=True, punctuation_chars=False)
    words.whitespace_split = True
    # Nothing is left out without a word: neither what follows a '#' nor a backslash.
    words.commenters = words.escape = ""
    try:
        items = list(words)
    except ValueError as error:
        raise WorkflowError(f"{setting} can't be read ({error}): {text}") from error
    found = []
    for item in items:
        key, equals, value = item.partition("=")
        if not key or not equals or not value:
            raise WorkflowError(
                f"{setting} has '{item}', which is not of the form key=value. Put quotes around what has spaces."
            )
        found.append((key, value))
    return found
