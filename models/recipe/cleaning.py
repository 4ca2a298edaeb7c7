"""Which files are worth learning from: source that people wrote by hand, of a usual size.

The rules are cheap and look at one file at a time; `duplicates` compares files with each other.
"""

import re

#: Folders of code that belongs to somebody else, or that is data in the shape of code.
SKIPPED_FOLDERS = re.compile(
    r"(^|/)(_?vendor(ed)?|_vendored|third[_-]party|externals?|node_modules|\.git|__pycache__|lib2to3|site-packages"
    r"|idlelib|turtledemo|locale|migrations|encodings|config-[^/]*|testdata|test_data)(/|$)"
)
#: Crates that are bindings or tables, made by programs.
SKIPPED_PACKAGES = re.compile(
    r"(windows([-_].*)?|winapi.*|objc2-.*|linux-raw-sys|web-sys|js-sys|.*-lc(-fips)?-sys|openssl-sys|jni-sys|libc"
    r"|core-foundation-sys|security-framework-sys|unicode-(width|segmentation|ident|normalization)|encoding_rs"
    r"|mime_guess|webpki-root.*|chrono-tz|tree-sitter-(rust|python)|icu_.*_data|nvidia-.*|cuda-.*)"
)
GENERATED = re.compile(
    r"@generated|auto-?(matically )?generated|do not (edit|modify)|generated (by|from|with) |rust-bindgen", re.IGNORECASE
)
#: A line that is an element of a table: it begins with a number, a quotation mark or a bracket.
TABLE_LINE = re.compile(r"\s*(0x|[\d('\"\[{]|b'|&\[)")

MIN_CHARS = 300
MAX_CHARS = 150_000
MAX_LINE = 400
MAX_MEAN_LINE = 70
MIN_LETTERS = 0.42
MAX_NON_ASCII = 0.03
MAX_TABLE_LINES = 0.4
#: Where generators announce themselves.
HEAD = 600


def normalise(text: str) -> str:
    """Unix line ends and no byte order mark. Nothing else: tabs and blanks at line ends are how people type."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def is_skipped_path(path: str) -> bool:
    """Whether a file's folder, relative to its package, is not the package's own code. `/` separates."""
    return bool(SKIPPED_FOLDERS.search(path.rpartition("/")[0]))


def is_skipped_package(name: str) -> bool:
    return bool(SKIPPED_PACKAGES.fullmatch(name))


def reason_to_drop(text: str) -> str | None:
    """Why a file is not worth learning from, in a word for the log, or `None`. Cost: a few passes over it."""
    n_chars = len(text)
    if n_chars < MIN_CHARS:
        return "tiny"
    if n_chars > MAX_CHARS:
        return "huge"
    if GENERATED.search(text[:HEAD]):
        return "generated"
    lines = text.split("\n")
    if max(map(len, lines)) > MAX_LINE or n_chars / len(lines) > MAX_MEAN_LINE:
        return "minified"
    if sum(map(str.isalpha, text)) < MIN_LETTERS * n_chars:
        return "few letters"
    if len(text.encode()) - n_chars > MAX_NON_ASCII * n_chars:
        return "not ascii"
    if sum(1 for line in lines if TABLE_LINE.match(line)) > MAX_TABLE_LINES * len(lines):
        return "table"
    return None
