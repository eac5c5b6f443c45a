"""Values that no message may show: variables of jobs, and the keys of this machine as they are and have been."""

import threading
from collections.abc import Iterable
from typing import Any

import boto3
from botocore.credentials import RefreshableCredentials


class KnownSecrets:
    """Secrets of a head. Keys may be renewed while it works, so they are read whenever a message is made."""

    def __init__(self, values: Iterable[str]) -> None:
        """Read no keys yet; `values` are other secrets."""
        self._known = set(filter(None, values))
        self._lock = threading.Lock()
        self._credentials: Any = None

    def known(self) -> list[str]:
        """Return all secrets; without the present keys if they can't be read, since messages have to appear."""
        with self._lock:
            try:
                self._read_keys()
            except Exception:  # also a program for credentials that is not there
                self._credentials = None
            return sorted(self._known)

    def _read_keys(self) -> None:
        # Those of a role renew themselves; asking for the role again would cost a request, or a code of the user.
        if not isinstance(self._credentials, RefreshableCredentials):
            self._credentials = boto3.session.Session().get_credentials()
        if self._credentials is not None:
            self._known.update(part for part in self._credentials.get_frozen_credentials()[:3] if part)
