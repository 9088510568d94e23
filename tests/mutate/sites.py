"""Finds the checks of a C source, and writes it with a switch at each.

Every mutant is in the same binary: `if (a || b) return ERR_X;` becomes
`if (((a) && !mutant(7)) || ((b) && !mutant(8))) return ERR_X;`, and which one lives is chosen when the
binary starts. mutant() is called only where it makes a difference, which tells what tests reach it.
"""

import re
from dataclasses import dataclass


@dataclass
class Site:
    """One mutant. `to`: what the expression becomes, "false" or "true"; or another expression."""
    begin: int
    end: int
    to: str
    path: str = ""
    line: int = 0
    function: str = ""
    text: str = ""
    number: int = 0
    again: int = 0  # how many like it come before it in the function

    def key(self):
        nth = f" ({self.again + 1})" if self.again else ""
        return f"{self.path}:{self.function}: {self.text} -> {self.to}{nth}"


# What a check does when it bites.
REFUSES = re.compile(
    r"return\s+(ERR_\w+|status\w*|just\(|false|NULL|HANDLE_NONE)\b|\bstatus\w*\s*=\s*ERR_|\bgoto\b|"
    r"\brefuse\s*\(|\bok\s*=\s*false|arch_frame_syscall_return\(")
KEYWORD = re.compile(r"\b(if)\s*\(")
STATEMENT = re.compile(r"(?:\breturn\b|(?<![=!<>&|+\-*/^])=(?!=))([^;{}]*);")


def masked(text):
    """The text with comments, strings and preprocessor lines blanked, position by position."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    text = re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])'", blank, text, flags=re.S)
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank, text, flags=re.M)


def matching(text, at):
    """The position after the parenthesis that closes the one at `at`."""
    pairs = {"(": ")", "{": "}", "[": "]"}
    depth, opened, closed = 0, text[at], pairs[text[at]]
    for i in range(at, len(text)):
        depth += (text[i] == opened) - (text[i] == closed)
        if depth == 0:
            return i + 1
    return len(text)


def split(text, begin, end, operator):
    """The operands of the outermost `operator`s between begin and end."""
    depth, start, parts = 0, begin, []
    i = begin
    while i < end:
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if depth == 0 and text.startswith(operator, i):
            parts.append((start, i))
            i += len(operator)
            start = i
            continue
        i += 1
    parts.append((start, end))
    return parts


def trimmed(text, begin, end):
    """Without blanks, and without what only surrounds the expression."""
    while True:
        while begin < end and text[begin].isspace():
            begin += 1
        while end > begin and text[end - 1].isspace():
            end -= 1
        wrapper = re.match(r"(?:UNLIKELY|LIKELY)?\(", text[begin:end])
        if wrapper is None or matching(text, begin + wrapper.end() - 1) != end:
            return begin, end
        inner = begin + wrapper.end(), end - 1
        if len(split(text, *inner, ",")) > 1:
            return begin, end
        begin, end = inner


def operands(text, begin, end, refuses, sites):
    """The mutants of a condition: it refuses if true, or allows if true."""
    begin, end = trimmed(text, begin, end)
    for operator, to in (("||", "false"), ("&&", "true")):
        parts = split(text, begin, end, operator)
        if len(parts) == 1:
            continue
        for part in parts:
            inner = trimmed(text, *part)
            nested = any(len(split(text, *inner, o)) > 1 for o in ("||", "&&"))
            if nested:
                operands(text, *part, refuses, sites)
            else:
                sites.append(Site(*inner, to))
        break
    else:
        sites.append(Site(begin, end, "false" if refuses else "true"))


def body_after(text, at):
    """What an `if` whose condition ends at `at` does."""
    while at < len(text) and text[at].isspace():
        at += 1
    if text[at] == "{":
        return text[at:matching(text, at)]
    end = text.find(";", at)
    return text[at:end + 1]


def conditions(text, sites):
    for match in KEYWORD.finditer(text):
        begin = match.end() - 1
        end = matching(text, begin)
        body = body_after(text, end)
        condition = text[begin + 1:end - 1]
        if re.search(r"=\s*ERR_WOULD_BLOCK|return ERR_WOULD_BLOCK", body):
            continue
        if len(body) < 300 and REFUSES.search(body):
            operands(text, begin + 1, end - 1, True, sites)
        elif re.fullmatch(r"\s*\w*status\w* == OK\s*", condition):
            operands(text, begin + 1, end - 1, False, sites)


def verdicts(text, sites):
    """return a && b;  bool ok = a && b;  return a ? OK : ERR_X;"""
    for match in STATEMENT.finditer(text):
        begin, end = match.span(1)
        choice = split(text, begin, end, "?")
        if len(choice) == 2:
            yes, no = (text[a:b].strip() for a, b in (split(text, *choice[1], ":") + [(0, 0)])[:2])
            if yes == "OK" and no.startswith(("ERR_", "status")):
                operands(text, *choice[0], False, sites)
            elif no == "OK" and yes.startswith(("ERR_", "status")):
                operands(text, *choice[0], True, sites)
        elif len(choice) == 1 and any(
                len(split(text, *trimmed(text, begin, end), o)) > 1 for o in ("&&", "||")):
            operands(text, begin, end, False, sites)


def needs(text, sites):
    """The types and rights that generated code asks for."""
    for match in re.finditer(r"syscall_lookup\(word_\[\d\], (\w+), (\w+),", text):
        if match.group(1) != "OBJECT_ANY":
            sites.append(Site(*match.span(1), "OBJECT_ANY"))
        if match.group(2) != "0":
            sites.append(Site(*match.span(2), "0"))


FUNCTION = re.compile(r"^[A-Za-z_][^;{}=]*?(\w+)\([^;{}]*\)[^;{}]*\n\{", re.M)


def find(path, text):
    """All mutants of a source, in the order of their places."""
    code = masked(text)
    sites = []
    conditions(code, sites)
    verdicts(code, sites)
    needs(code, sites)
    functions = [(m.end() - 1, matching(code, m.end() - 1), m.group(1)) for m in FUNCTION.finditer(code)]
    found = {}
    for site in sites:
        name = next((n for b, e, n in functions if b <= site.begin < e), None)
        if name is None:
            continue
        site.path, site.function = path, name
        site.line = text.count("\n", 0, site.begin) + 1
        site.text = " ".join(text[site.begin:site.end].split())
        found.setdefault((site.begin, site.end), site)
    result = sorted(found.values(), key=lambda s: s.begin)
    seen = {}
    for site in result:
        key = site.key()
        site.again = seen.get(key, 0)
        seen[key] = site.again + 1
    return result


def mutated(path, text, sites):
    """The source with all of them in it. They are numbered already, and lie side by side."""
    parts, at = [f'#include <kernel/mutant.h>\n#line 1 "{path}"\n'], 0
    for site in sites:
        expression = text[site.begin:site.end]
        parts.append(text[at:site.begin])
        if site.to == "false":
            parts.append(f"(({expression}) && !mutant({site.number}))")
        elif site.to == "true":
            parts.append(f"(({expression}) || mutant({site.number}))")
        else:
            parts.append(f"(mutant({site.number}) ? {site.to} : {expression})")
        at = site.end
    return "".join(parts) + text[at:]
