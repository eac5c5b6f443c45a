"""What a user can put right."""


class UserError(Exception):
    """Something a user can put right: a message, and if there are several problems one line for each."""

    def __init__(self, message: str, *problems: str) -> None:
        """`problems` are shown below the message, each on a line of its own."""
        super().__init__("\n".join([message, *(f"  - {problem}" for problem in problems)]))


def words_of_aws(error: Exception) -> str | None:
    """What an error of AWS's libraries means, in one line; None for any other error."""
    library = type(error).__module__.partition(".")[0]
    if library not in ("boto3", "botocore", "s3transfer"):
        return None
    name = type(error).__name__
    code = str((getattr(error, "response", None) or {}).get("Error", {}).get("Code", ""))
    if "Credential" in name or "Token" in name or "ExpiredToken" in code or code in ("InvalidAccessKeyId", "403"):
        return f"AWS does not take the credentials: {error}. Sign in anew (aws sso login), or set AWS_PROFILE."
    if "AccessDenied" in code or "Unauthorized" in code:
        return f"AWS refuses: {error}. Ask whoever deployed the stack to attach its submit policy to you."
    if "Endpoint" in name or "Connect" in name:
        return f"AWS does not answer: {error}. Is there a network, and is the region right?"
    return f"AWS: {error}"
