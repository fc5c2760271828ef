"""mkdocs: formulas of docstrings as MathML, which browsers show without a script or a network.

Docstrings have formulas as indented lines of Unicode. A script is `ᵢ` or `²`, or follows `_` or `^`
as a letter, a word, a number or a group in brackets. Words are upright, letters in italics. Two
spaces or more separate formulas, between which a line may break.
"""

import html
import re

_DOWN = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₌ₐₑᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦ", "0123456789+-=aeijklmnoprstuvxβ", strict=True))
_UP = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀᵇᵈⁱʲᵏˡᵐⁿᵖʳˢᵗ", "0123456789+-Tbdijklmnprst", strict=True))
_TOKEN = re.compile(
    rf"(?P<code>`[^`]*`)|(?P<down>[{''.join(_DOWN)}]+)|(?P<up>[{''.join(_UP)}]+)"
    r"|(?P<mn>\d+(?:\.\d+)?)|(?P<letters>(?:d[A-Za-z]|[A-Z]{2})(?![A-Za-z\d]))"
    r"|(?P<word>(?<=_)[A-Za-z]\d|[A-Za-z]{2,}\d*(?:(?: a)? [A-Za-z]{2,}\d*)*)"
    r"|(?P<mi>(?:[^\W\d_Σ]|[∂∇∞])[\u0300-\u036f]*)"
    r"|(?P<half>[½¾])|(?P<mo>->|<=|>=|!=|==|\.{2,3}|\S)"
)
_SPELLED = {
    "->": "→",
    "<=": "≤",
    ">=": "≥",
    "!=": "≠",
    "..": "…",
    "...": "…",
    "-": "\N{MINUS SIGN}",
    "'": "′",
}
_FRACTION = {"½": (1, 2), "¾": (3, 4)}
_CLOSINGS = (")", "]", "}")
# Other scripts of two letters are indices.
_ABBREVIATIONS = {"xc", "TF", "HF", "DC", "PW"}
_BLOCK = re.compile(r'<div class="highlight"><pre><span></span><code>([^<]*)</code></pre></div>')


def on_page_content(content, page, **_):
    """Indented blocks of the API pages are formulas; highlighted code has tags inside."""
    if page.file.src_uri.startswith("api/"):
        return _BLOCK.sub(lambda match: _block(html.unescape(match[1])), content)
    return content


def _block(text):
    rows = (re.split(r" {2,}", line.strip()) for line in text.strip("\n").splitlines())
    lines = "".join(f"<p>{' '.join(map(mathml, row))}</p>" for row in rows)
    return f'<div class="formula">{lines}</div>'


def mathml(formula):
    """One formula as a `math` element."""
    tokens = [(m.lastgroup, m[0], *_spaces(m)) for m in _TOKEN.finditer(formula)]
    return f"<math>{_row(tokens[::-1])}</math>"


def _spaces(match):
    """The spaces of a word beside letters, numbers and brackets; operators have their own."""
    before, after = match.string[: match.start()], match.string[match.end() :]
    yield "\u00a0" if re.search(r"[\w)\]}|‖] $", before) else ""
    yield "\u00a0" if re.match(r" [\w(\[{|‖√½]", after) else ""


def _row(tokens, closings=()):
    """Elements up to a closing bracket, which is left, or to the end."""
    items = []
    while tokens and tokens[-1][1] not in closings:
        items.append(_scripted(tokens))
    return f"<mrow>{''.join(items)}</mrow>"


def _group(tokens):
    """The row between two brackets, without them."""
    tokens.pop()
    row = _row(tokens, _CLOSINGS)
    del tokens[-1:]
    return row


def _scripted(tokens):
    """One element with its subscript and superscript."""
    *before, base = _elements(tokens)
    down = up = ""
    while tokens and (tokens[-1][0] in ("down", "up") or tokens[-1][1] in "_^"):
        kind, text, *_ = tokens.pop()
        if kind == "down":
            down += "".join(_leaf(_DOWN[x]) for x in text)
        elif kind == "up":
            up += "".join(_leaf(_UP[x]) for x in text)
        elif text == "_":
            down += _script(tokens)
        else:
            up += _script(tokens)
    name = "m" + "sub" * bool(down) + "sup" * bool(up)
    scripts = "".join(f"<mrow>{x}</mrow>" for x in (down, up) if x)
    return "".join(before) + (f"<{name}>{base}{scripts}</{name}>" if scripts else base)


def _script(tokens):
    """What follows `_` or `^`: a group without its brackets, or one element with its sign."""
    kind, text, _, after = tokens[-1]
    if text in ("{", "("):
        return _group(tokens)
    if text == "-":
        return _leaf(tokens.pop()[1]) + _script(tokens)
    if kind not in ("word", "letters"):
        return "".join(_elements(tokens))
    tokens.pop()
    script, _, words = text.partition(" ")
    if words:
        tokens.append(("word", words, "\u00a0", after))
    indices = len(script) == 2 and script not in _ABBREVIATIONS
    return "".join(map(_leaf, script)) if indices else f"<mtext>{script}</mtext>"


def _elements(tokens):
    """The next element, after what stands with it: an opened bracket, the d of a differential."""
    kind, text, before, after = tokens.pop()
    if text in ("(", "[", "{"):
        row = _row(tokens, _CLOSINGS)
        return [_leaf(text), row, _leaf(tokens.pop()[1]) if tokens else ""]
    if text == "√":
        inside = _group(tokens) if tokens[-1][1] == "(" else _scripted(tokens)
        return [f"<msqrt>{inside}</msqrt>"]
    if text in _FRACTION:
        above, below = _FRACTION[text]
        return [f"<mfrac><mn>{above}</mn><mn>{below}</mn></mfrac>"]
    if kind == "letters":
        return [_leaf(letter) for letter in text]
    if kind in ("word", "code"):
        return [f"<mtext>{before}{html.escape(text.strip('`'))}{after}</mtext>"]
    return [_leaf(text)]


def _leaf(text):
    """A number, a letter or an operator."""
    letter = (text[0].isalpha() and text != "Σ") or text in "∂∇∞"
    name = "mn" if text[0].isdigit() else "mi" if letter else "mo"
    fixed = ' stretchy="false"' if text in "()[]{}" else ""
    fixed = ' lspace="0" rspace="0" stretchy="false"' if text in "|‖/*'" else fixed
    return f"<{name}{fixed}>{html.escape(_SPELLED.get(text, text))}</{name}>"
