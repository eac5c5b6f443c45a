"""samtools and bcftools as pysam's wheel carries them: `python3 -I hts.py samtools view …`.

A laptop, an image and a conda environment thus have one version of them. Debian 12 has 1.16 and trixie 1.21, whose
packages want a newer C library; conda's channels can't be named in uv.lock; building them asks for a compiler. The
wheel has no plugins of bcftools, and no libdeflate: compressing takes a third more CPU, calling the same.

`samtools` and `bcftools` in scripts/bin start this. The program's own code is called in this process, on the C
library's stdin, stdout and stderr, and then the process ends: nothing is caught or copied. It starts 0.02 s later than
a program of Debian's. pysam's own interface takes 0.1 s longer, writes all messages to a file first, raises exceptions.

A run starts some fifty of them. Hence no pathlib, typing or signal here: importing those takes as long as all the rest.
"""

import _locale
import _signal  # type: ignore[import-not-found] # typeshed has no stub of it
import ctypes
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# The release that pysam has to carry; uv.lock and envs/*.yaml pin the pysam that does.
RELEASE = "1.24"
PROGRAMS = ("samtools", "bcftools")


def fail(program: str, message: str, code: int = 1) -> "NoReturn":
    """End with a message."""
    print(f"{program}: {message}", file=sys.stderr)
    raise SystemExit(code)


def library(program: str) -> str:
    """Return the shared object of this Python's pysam that holds a program; if there is none, the process ends."""
    for place in sys.path:
        try:
            files = list(os.scandir(f"{place}/pysam"))
        except OSError:
            continue
        for file in files:
            if file.name.startswith(f"libc{program}.") and file.name.endswith(".so"):
                return file.path
    fail(
        program,
        f"{sys.executable} has no pysam, which carries {program} {RELEASE}. `make setup` installs it; one of your "
        f"own is used where {variable(program)} names it.",
        127,
    )


def variable(program: str) -> str:
    """Return the environment variable by which a user asks for a program of their own."""
    return f"TERRAFLOW_{program.upper()}"


def own(program: str) -> str:
    """Return the path of the program that the user asks for, "" for none; if it is not found, the process ends.

    A launcher is passed over: it would ask for the same program again, for ever.
    """
    asked = os.environ.get(variable(program), "")
    if not asked:
        return ""
    from pathlib import Path

    for folder in [""] if "/" in asked else os.get_exec_path():
        found = Path(folder, asked)
        if (
            os.access(found, os.X_OK)
            and found.is_file()
            and not (found.resolve().parent.parent.parent / "lib" / "terraflow_workflow" / "hts.py").exists()
        ):
            return str(found)
    where = "there" if "/" in asked else f"on PATH, which is {os.environ.get('PATH', '')}"
    fail(program, f"{variable(program)} is {asked}: no program of the user's own {where}; give its full path.", 127)


def load(program: str) -> ctypes.CDLL:
    """Return the program, in the version that is wanted; its standard streams are those of the C library."""
    code = ctypes.CDLL(library(program))
    version = getattr(code, f"{program}_version")
    version.restype = ctypes.c_char_p
    # "1.24 (pysam)"
    found = version().decode().split()[0]
    if found != RELEASE:
        fail(
            program,
            f"pysam of {sys.executable} carries {program} {found}, wanted is {RELEASE}: other versions find other "
            f"genotypes. `make setup` installs it; one of your own is used where {variable(program)} names it.",
            127,
        )
    for stream in ("stdout", "stderr"):
        ctypes.c_void_p.in_dll(code, f"{program}_{stream}").value = c_stream(stream).value
    # Where samtools calmd writes.
    getattr(code, f"{program}_set_stdout_fn")(b"-")
    return code


def c_stream(name: str) -> ctypes.c_void_p:
    """Return a FILE* of the C library."""
    return ctypes.c_void_p.in_dll(ctypes.CDLL(None), f"__{name}p" if sys.platform == "darwin" else name)


def as_programs_expect() -> None:
    """Undo what Python changes when it starts: a C program ends by these signals, and knows no language."""
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_DFL)
    # A job in the background has it ignored, and keeps that.
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    _locale.setlocale(_locale.LC_ALL, "C")


def run(program: str, arguments: list[str]) -> int:
    """Call the program and return its exit code, which is 1 also where the last of its output can't be written."""
    if program == "bcftools" and arguments and (arguments[0].startswith("+") or arguments[0] == "plugin"):
        fail(program, f"this one has no plugins; one of your own is used where {variable(program)} names it.")
    code = load(program)
    as_programs_expect()
    words = [program.encode(), *map(os.fsencode, arguments)]
    status: int = getattr(code, f"{program}_dispatch")(len(words), (ctypes.c_char_p * (len(words) + 1))(*words, None))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.fflush(c_stream("stdout")):
        error = os.strerror(ctypes.get_errno())
        os.write(2, f"{program} {arguments[0]}: closing standard output failed: {error}\n".encode())
        return status or 1
    return status


def main() -> "NoReturn":
    """Run the program that the command line names, with its arguments."""
    if len(sys.argv) < 2 or sys.argv[1] not in PROGRAMS:
        fail("hts.py", f"the first argument has to be one of: {', '.join(PROGRAMS)}", 2)
    if path := own(sys.argv[1]):
        as_programs_expect()
        os.execv(path, [path, *sys.argv[2:]])
    # Without Python's own clean-up: threads of the program may still be there, as when a program returns from main.
    os._exit(run(sys.argv[1], sys.argv[2:]))


if __name__ == "__main__":
    main()
