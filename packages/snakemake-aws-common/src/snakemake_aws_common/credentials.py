"""Credentials that are read again when AWS no longer takes them. botocore keeps those of a file for ever."""

import threading
from collections.abc import Mapping
from typing import Any

import botocore.credentials
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError, CredentialRetrievalError, NoCredentialsError

# Codes of an error that expired credentials cause. S3 answers a HEAD with the last one, for want of a body.
STALE = ("ExpiredToken", "TokenRefreshRequired", "400")


class RenewingCredentials(botocore.credentials.Credentials):
    """The credentials of the AWS environment: variables, profiles, single sign-on, roles, in botocore's order."""

    method = "renewing"
    account_id = None

    def __init__(self, profile: str | None = None) -> None:
        """Read nothing yet. Requests raise what botocore raises if there are no credentials."""
        self._profile = profile
        self._lock = threading.Lock()
        self._read: Any = None

    def get_frozen_credentials(self) -> Any:  # noqa: ANN401
        """Return key, secret and token as they are now. Raise an error of botocore's if they can't be had."""
        try:
            return self._frozen()
        except (BotoCoreError, ClientError):
            raise
        except Exception as error:
            # A program for credentials that is not there or says something else, a token's file that is not there.
            raise CredentialRetrievalError(
                provider="the AWS configuration", error_msg=f"{type(error).__name__}: {error}"
            ) from error

    def _frozen(self) -> Any:  # noqa: ANN401
        with self._lock:
            if self._read is None:
                self._read = botocore.session.Session(profile=self._profile).get_credentials()
            credentials = self._read
        if credentials is None:
            raise NoCredentialsError
        try:
            return credentials.get_frozen_credentials()
        except Exception:
            self.forget()
            raise

    def forget(self) -> None:
        """Read the credentials again before the next request."""
        with self._lock:
            self._read = None

    def after_call(self, **event: Any) -> None:  # noqa: ANN401
        """Forget the credentials if AWS has just refused them; takes what botocore gives to its event handlers."""
        error = event["parsed"].get("Error")
        if isinstance(error, Mapping) and str(error.get("Code", "")).startswith(STALE):
            self.forget()

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401
        """Return key, secret and token by themselves, which botocore keeps in attributes."""
        if name in ("access_key", "secret_key", "token"):
            return getattr(self.get_frozen_credentials(), name)
        return super().__getattribute__(name)

    def load_credentials(self) -> "RenewingCredentials":
        """Return itself: botocore's sessions ask a provider of credentials for this."""
        return self


def session() -> botocore.session.Session:
    """Return a session whose clients use renewed credentials after the old ones expired. Make one for each client."""
    made = botocore.session.get_session()
    renewing = RenewingCredentials()
    made.register_component("credential_provider", renewing)
    made.register("after-call", renewing.after_call)
    return made
