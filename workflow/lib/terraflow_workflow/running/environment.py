"""Keep settings of the caller's shell away from the shells of jobs; begin.sh decides what else tools see."""

from collections.abc import MutableMapping

# Variables that bash reads before the first line of a script (bash(1), "Shell Variables" and "BASH STARTUP FILES").
READ_BY_BASH = frozenset(
    {
        "BASHOPTS",
        "BASH_COMPAT",
        "BASH_ENV",
        "BASH_LOADABLES_PATH",
        "BASH_XTRACEFD",
        "CDPATH",
        "ENV",
        "EXECIGNORE",
        "FUNCNEST",
        "GLOBIGNORE",
        "POSIXLY_CORRECT",
        "POSIX_PEDANTIC",
        "PS4",
        "SHELLOPTS",
        "TMOUT",
    }
)


def forget_shell_settings(environ: MutableMapping[str, str]) -> None:
    """Remove, from `environ`, options, startup files and exported functions for the bash of each job.

    A job's own first lines can't: bash has obeyed them by then. All else stays, since Snakemake and its plugins need
    credentials, proxies, profiles and the settings of conda.
    """
    for name in list(environ):
        if name in READ_BY_BASH or name.startswith("BASH_FUNC_"):
            del environ[name]
