"""The grid of a Neovim as a picture: an SVG with the colours that it painted, for the report."""

from html import escape

CELL_WIDTH, CELL_HEIGHT = 8.4, 18


def colour(number):
    return f"#{number & 0xFFFFFF:06x}"


def runs(row):
    """The row's text in pieces of one highlight: column, text, highlight. Wide characters have an empty second cell."""
    pieces = []
    for column, (text, highlight) in enumerate(row):
        if pieces and pieces[-1][2] == highlight and text and column == pieces[-1][0] + pieces[-1][3]:
            pieces[-1][1] += text
            pieces[-1][3] += 1
        else:
            pieces.append([column, text, highlight, 1])
    return [(column, text, highlight) for column, text, highlight, _ in pieces]


def svg(neovim):
    """What stands on the screen, without the empty rows and columns around it."""
    with neovim.changed:
        cells, attributes, cursor = [list(row) for row in neovim.cells], dict(neovim.attributes), neovim.cursor
    # The rows behind the end of the file, and the status and command lines, say nothing.
    filled = [row for row in cells[:-2] if "".join(text for text, _ in row).strip() not in ("", "~")]
    cells = cells[: max(cells.index(filled[-1]) + 1, cursor[0] + 1)] if filled else cells[:1]
    columns = max(len("".join(text or " " for text, _ in row).rstrip()) for row in cells) + 2
    cells = [row[:columns] for row in cells]
    default = attributes[0]
    foreground, background = colour(default["foreground"]), colour(default["background"])
    width, height = columns * CELL_WIDTH + 16, len(cells) * CELL_HEIGHT + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" font-family="monospace" font-size="14">',
        f'<rect width="100%" height="100%" rx="6" fill="{background}"/>',
    ]
    for index, row in enumerate(cells):
        y = 8 + index * CELL_HEIGHT
        for column, text, highlight in runs(row):
            looks = attributes.get(highlight, {})
            x = 8 + column * CELL_WIDTH
            if "background" in looks:
                parts.append(f'<rect x="{x:.1f}" y="{y}" width="{len(text) * CELL_WIDTH:.1f}" height="{CELL_HEIGHT}" fill="{colour(looks["background"])}"/>')
            if text.strip():
                fill = colour(looks["foreground"]) if "foreground" in looks else foreground
                style = ' font-style="italic"' if looks.get("italic") else ""
                style += ' font-weight="bold"' if looks.get("bold") else ""
                length = len(text) * CELL_WIDTH
                parts.append(f'<text x="{x:.1f}" y="{y + 14}" fill="{fill}"{style} textLength="{length:.1f}" xml:space="preserve">{escape(text)}</text>')
    x, y = 8 + cursor[1] * CELL_WIDTH, 8 + cursor[0] * CELL_HEIGHT
    parts.append(f'<rect x="{x:.1f}" y="{y}" width="2" height="{CELL_HEIGHT}" fill="{foreground}"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"
