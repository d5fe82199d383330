"""suites_page.py PAGE: does what the page says, in this folder.

A block behind `<!-- file NAME -->` is that file.  Of a block `console`, each
line with `$ ` is a command, and what follows is all that it prints; `...`
stands for any lines, numbers of seconds and processes for any others.  Prints
TAP, one test for each command.
"""
import re
import subprocess
import sys

VARIES = [
    (r"\b[0-9]+\.[0-9]+ s\b", "N s"),  # durations
    (r"^( *)[0-9]+\.[0-9]{6} ", r"\1T "),  # of a trace
    (r"\[[0-9]+/[0-9]+\]", "[P/P]"),  # process, thread
    (r"127\.0\.0\.1:[0-9]+", "127.0.0.1:N"),
    (r" <N s>", ""),  # a call that took longer than a millisecond
    (r"\.\.\. (?=[a-z_0-9]+\()", ""),  # ... and whose end is told apart
]


def plain(line):
    for pattern, text in VARIES:
        line = re.sub(pattern, text, line)
    return line.rstrip()


def alike(wanted, got):
    """Lists of lines; `...` is any number of them."""
    if not wanted:
        return not got
    if wanted[0] == "...":
        return any(alike(wanted[1:], got[n:]) for n in range(len(got) + 1))
    return bool(got) and wanted[0] == got[0] and alike(wanted[1:], got[1:])


def blocks(page):
    pattern = r"(?:<!-- file (\S+) -->\n)?```(\w+)\n(.*?)```\n"
    return re.findall(pattern, page, re.S)


def commands(text):
    for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, _, output = part.partition("\n")
        yield command, output.splitlines()


def main():
    n, failed = 0, 0
    for name, language, text in blocks(open(sys.argv[1]).read()):
        if name:
            with open(name, "w") as file:
                file.write(text)
            continue
        for command, wanted in commands(text) if language == "console" else ():
            run = subprocess.run(command, shell=True, text=True, errors="replace",
                                 stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT)
            got = run.stdout.splitlines()
            good = alike([plain(line) for line in wanted],
                         [plain(line) for line in got])
            n, failed = n + 1, failed + (not good)
            print(f"{'' if good else 'not '}ok {n} - {command}")
            if not good:
                print("# wanted:", *wanted, sep="\n#   ")
                print("# got:", *got, sep="\n#   ")
    print(f"1..{n}")
    return bool(failed or not n)


sys.exit(main())
