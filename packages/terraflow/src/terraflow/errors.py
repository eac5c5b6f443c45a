"""Errors that a user can put right, and AWS's errors in plain words."""


class UserError(Exception):
    """An error that a user can put right: a message, and a line for each problem if there are several."""

    def __init__(self, message: str, *problems: str) -> None:
        """Show the problems below the message, each on a line of its own."""
        super().__init__("\n".join([message, *(f"  - {problem}" for problem in problems)]))


SIGN_IN = "Sign in anew (aws sso login), or set AWS_PROFILE."
ASK = "ask whoever deployed the stack to attach its submit policy to you."


def explain_aws(error: Exception) -> str | None:
    """Explain an error of AWS's libraries in a line, and its notes in lines of their own; None for any other error."""
    reason = _reason(error)
    return None if reason is None else "\n".join([reason, *getattr(error, "__notes__", ())])


def _reason(error: Exception) -> str | None:
    library = type(error).__module__.partition(".")[0]
    if library not in ("boto3", "botocore", "s3transfer"):
        return None
    name = type(error).__name__
    code = str((getattr(error, "response", None) or {}).get("Error", {}).get("Code", ""))
    if code == "403":
        return f"AWS refuses, and does not say why: {error}. {SIGN_IN} If you are signed in, {ASK}"
    if code in ("RequestTimeTooSkewed", "RequestExpired"):
        return f"AWS refuses: {error}. The clock of this machine is wrong: set it right."
    if code == "NoSuchBucket":
        return f"The bucket of the stack is gone: {error}. `make deploy` makes it anew."
    refused = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "400")
    if "Credential" in name or "Token" in name or "ExpiredToken" in code or code in refused:
        return f"AWS does not take the credentials: {error}. {SIGN_IN}"
    if "AccessDenied" in code or "Unauthorized" in code:
        return f"AWS refuses: {error}. A{ASK[1:]}"
    if any(word in name for word in ("Endpoint", "Connect", "Timeout", "SSL")):
        return f"AWS does not answer: {error}. Is there a network, and is the region right?"
    return f"AWS: {error}"
