"""Credentials that are read anew when AWS no longer takes them: botocore keeps those of a file for ever."""

import threading
from collections.abc import Mapping
from typing import Any

import botocore.credentials
import botocore.session
from botocore.exceptions import NoCredentialsError

# With the last one S3 answers a HEAD, which has no body to say more in.
STALE = ("ExpiredToken", "TokenRefreshRequired", "400")


class Renewing(botocore.credentials.Credentials):
    """The credentials of the AWS environment: variables, profiles, single sign-on, roles, in botocore's order."""

    method = "renewing"
    account_id = None

    def __init__(self, profile: str | None = None) -> None:
        """Reads nothing yet. Raises what botocore raises, when used, if there are none."""
        self._profile = profile
        self._lock = threading.Lock()
        self._read: Any = None

    def get_frozen_credentials(self) -> Any:  # noqa: ANN401
        """Key, secret and token, as they are now."""
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
        """Read them anew before the next request."""
        with self._lock:
            self._read = None

    def after_call(self, **told: Any) -> None:  # noqa: ANN401
        """Look at an answer; takes what botocore gives to its event handlers."""
        error = told["parsed"].get("Error")
        if isinstance(error, Mapping) and str(error.get("Code", "")).startswith(STALE):
            self.forget()

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401
        """Key, secret and token by themselves, as botocore keeps them in attributes."""
        if name in ("access_key", "secret_key", "token"):
            return getattr(self.get_frozen_credentials(), name)
        return super().__getattribute__(name)

    # What a provider of credentials is asked by botocore's sessions.

    def load_credentials(self) -> "Renewing":
        """Return itself."""
        return self


def session() -> botocore.session.Session:
    """A session whose clients use credentials that come back after they had expired. Make one for each client."""
    made = botocore.session.get_session()
    renewing = Renewing()
    made.register_component("credential_provider", renewing)
    made.register("after-call", renewing.after_call)
    return made
