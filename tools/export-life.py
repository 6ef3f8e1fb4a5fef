#!/usr/bin/env python3
"""Draws the life of an export as SVG on standard output: `make docs` writes docs/images/export-life.svg.

Each box has the reason, exportStatus and conditions of one part of the table in docs/status.md.
"""

from xml.sax.saxutils import escape

WIDTH, HEIGHT = 1000, 500
FONT = "font-family='ui-monospace,Menlo,Consolas,monospace'"
COLOURS = {"wait": "#fff4d6", "go": "#dcecff", "good": "#dcf5e0", "bad": "#fde2e1"}

parts = []


def text(x, y, words, size=12, weight="normal", anchor="start"):
    parts.append(
        f"<text x='{x}' y='{y}' font-size='{size}' font-weight='{weight}' text-anchor='{anchor}' "
        f"fill='#1b1f24'>{escape(words)}</text>"
    )


def box(x, y, width, height, kind, title, lines):
    parts.append(
        f"<rect x='{x}' y='{y}' width='{width}' height='{height}' rx='8' fill='{COLOURS[kind]}' stroke='#57606a'/>"
    )
    text(x + 12, y + 22, title, 14, "bold")
    for number, line in enumerate(lines):
        text(x + 12, y + 42 + 17 * number, line)


def arrow(points, words, at, anchor="middle"):
    path = " ".join(f"{x},{y}" for x, y in points)
    parts.append(f"<polyline points='{path}' fill='none' stroke='#57606a' stroke-width='1.5' marker-end='url(#end)'/>")
    for number, line in enumerate(words.split("\n")):
        text(at[0], at[1] + 15 * number, line, 11, anchor=anchor)


def session(x, width, words):
    parts.append(f"<rect x='{x}' y='16' width='{width}' height='26' fill='#eef1f4' stroke='#8c959f'/>")
    text(x + width / 2, 34, words, 12, anchor="middle")


def draw():
    session(20, 180, "session ACTIVATING")
    session(200, 480, "session live")
    session(680, 300, "session ended")

    box(20, 80, 300, 200, "wait", "not accepted yet", [
        "exportStatus: none", "Accepted=False, Reconciling=True",
        "WaitingForSession, RateLimited,", "WaitingForOtherExport,", "DestinationUnknown,", "ServiceUnavailable,",
        "ConfirmingSessionEnd,", "Suspended (you release it)",
    ])
    box(20, 320, 300, 160, "bad", "not accepted: somebody has to act", [
        "exportStatus: none", "Accepted=False, Stalled=True",
        "DestinationForbidden, AccessDenied,", "CredentialsUnavailable,", "AccountMismatch, RequestRejected,",
        "ServiceAccountNotSupported",
    ])
    box(430, 80, 140, 80, "go", "Requesting", ["exportStatus:", "none"])
    box(645, 80, 160, 130, "go", "ExportPending", [
        "exportStatus:", "PENDING", "Accepted=True", "after a day:", "UploadOverdue",
    ])
    box(870, 80, 115, 98, "good", "Exported", ["exportStatus:", "SUCCEEDED", "Ready=True"])
    box(430, 330, 250, 130, "bad", "never accepted, no ZIP", [
        "exportStatus: FAILED", "SessionEnded, SessionNotFound,", "ExportConflict, or after 25 h", "the last reason",
    ])
    box(735, 330, 250, 130, "bad", "accepted, no ZIP", [
        "ExportFailed", "ExportConflict", "SessionNotFound (unknown: the", "ZIP may still arrive)",
    ])

    arrow([(320, 105), (424, 105)], "a slot in the\nquota is free", (372, 78))
    arrow([(430, 145), (326, 145)], "AWS refuses\nor throttles", (372, 162))
    arrow([(570, 120), (639, 120)], "AWS\naccepts", (605, 92))
    arrow([(805, 120), (864, 120)], "ZIP is\nin S3", (835, 92))
    arrow([(170, 280), (170, 314)], "", (0, 0))
    arrow([(220, 320), (220, 286)], "cause removed", (232, 305), "start")
    arrow([(320, 250), (530, 250), (530, 324)], "session over,\nor 25 h", (430, 218))
    arrow([(320, 400), (424, 400)], "session over,\nor 25 h", (375, 370))
    arrow([(725, 210), (725, 270), (860, 270), (860, 324)], "AWS reports an end\nwithout a ZIP", (795, 240))


def main():
    draw()
    print(
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' {FONT} role='img' "
        "aria-label='The life of an export'>\n"
        "<!-- Written by tools/export-life.py (make docs). -->\n"
        "<defs><marker id='end' markerWidth='9' markerHeight='7' refX='8' refY='3.5' orient='auto'>"
        "<polygon points='0 0, 9 3.5, 0 7' fill='#57606a'/></marker></defs>\n"
        f"<rect width='{WIDTH}' height='{HEIGHT}' fill='#ffffff'/>\n" + "\n".join(parts) + "\n</svg>"
    )


if __name__ == "__main__":
    main()
