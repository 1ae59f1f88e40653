"""The style sheet of the report: light, dark and paper. Not for: the page."""

from __future__ import annotations

LIGHT = """
--page:#fbfaf7;--card:#ffffff;--ink:#1d2127;--soft:#5c6570;--rule:#e2dfd7;--stripe:#f5f3ee;--accent:#0b6e69;
--good:#1b7a43;--bad:#b3362b;--shade:#00000012;
--s0:#4a5568;--s1:#0b7a75;--s2:#c2621b;--s3:#6d4fc2;--s4:#b5316f;--s5:#2f6fb3;--s6:#7a7f1d;--s7:#8a5a44;
"""

DARK = """
--page:#14171b;--card:#1c2026;--ink:#e8e6e1;--soft:#9aa4af;--rule:#30363f;--stripe:#22272e;--accent:#5cc9c0;
--good:#6ccf94;--bad:#f0877b;--shade:#00000040;
--s0:#b4bdc9;--s1:#4fd0c7;--s2:#f0a35e;--s3:#b09cf5;--s4:#f083b4;--s5:#7db4ec;--s6:#cdd25a;--s7:#d3a68d;
"""

DASHES = ("", "", "7 4", "2 4", "9 3 2 3", "5 3", "1 3", "12 4")

RULES = """
*{box-sizing:border-box}
html{color-scheme:light dark;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main,header,footer{max-width:1080px;margin:0 auto;padding:0 24px}
header{padding-top:52px;padding-bottom:8px}
h1{font-size:2.3rem;line-height:1.15;letter-spacing:-.02em;margin:0 0 6px;font-weight:680;
overflow-wrap:anywhere}
.kicker{color:var(--accent);font-weight:620;font-size:.82rem;letter-spacing:.09em;text-transform:uppercase;
margin:0 0 8px}
.lead{color:var(--soft);max-width:70ch;margin:0;font-size:1.06rem}
h2{font-size:1.35rem;letter-spacing:-.01em;margin:54px 0 6px;font-weight:650}
h3{font-size:1rem;margin:26px 0 8px;font-weight:620}
p{max-width:74ch}
.about{color:var(--soft);margin:0 0 16px}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:14px;margin:28px 0 0}
.card{background:var(--card);border:1px solid var(--rule);border-radius:14px;padding:16px 18px;
box-shadow:0 1px 3px var(--shade)}
.card b{display:block;font-size:1.75rem;letter-spacing:-.02em;line-height:1.2;font-weight:660;
font-variant-numeric:tabular-nums}
.card span{color:var(--soft);font-size:.88rem;display:block}
.card .what{font-size:.78rem;letter-spacing:.06em;text-transform:uppercase;margin-bottom:6px;font-weight:600}
figure{margin:14px 0;background:var(--card);border:1px solid var(--rule);border-radius:14px;
padding:16px 18px 12px;box-shadow:0 1px 3px var(--shade)}
figcaption{font-weight:600;margin-bottom:6px}
.pair{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:16px}
.narrow{max-width:420px}
.chart{display:block;width:100%;height:auto}
.grid{stroke:var(--rule);stroke-width:1}
.tick,.label,.note,.name{fill:var(--soft);font-size:12px;font-family:inherit}
.name{fill:var(--ink);font-size:12.5px}
.note{font-size:11px}
.mark{stroke:var(--soft);stroke-width:1;stroke-dasharray:2 3}
.ideal{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:5 4}
.stripe{fill:var(--stripe)}
.line{fill:none;stroke-width:2.1;stroke-linejoin:round;stroke-linecap:round}
.band{stroke:none;opacity:.13}
.whisker{stroke-width:2.2;stroke-linecap:round;opacity:.5;stroke-dasharray:none}
.dot{stroke:var(--card);stroke-width:1.2;stroke-dasharray:none}
.bubble{opacity:.75}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 20px;margin:2px 0 8px;padding:0;font-size:.86rem;
color:var(--soft)}
.key{width:28px;height:10px;margin-right:7px;vertical-align:middle}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);padding:0 0 6px;font-size:.86rem}
th,td{text-align:right;padding:7px 10px;border-bottom:1px solid var(--rule);white-space:nowrap;
vertical-align:top}
th:first-child,td:first-child{text-align:left;padding-left:2px}
thead th{font-weight:600;color:var(--soft);font-size:.82rem;vertical-align:bottom;white-space:normal}
tbody th{font-weight:500;text-align:left}
tr.sum td,tr.sum th{font-weight:650;border-top:2px solid var(--rule)}
td small{display:block;color:var(--soft);font-size:.78rem;font-weight:400}
td.wide,th.wide{white-space:normal;text-align:left;overflow-wrap:anywhere}
.up{color:var(--good)}.down{color:var(--bad)}
details{margin:8px 0 0;font-size:.9rem}
summary{cursor:pointer;color:var(--soft)}
.sample{background:var(--card);border:1px solid var(--rule);border-radius:14px;margin:14px 0;overflow:hidden;
break-inside:avoid;box-shadow:0 1px 3px var(--shade)}
.asked{padding:13px 18px;border-bottom:1px solid var(--rule);background:var(--stripe)}
.asked small{color:var(--soft);display:block;font-size:.78rem}
.columns{display:grid;grid-template-columns:repeat(var(--count),minmax(0,1fr))}
.columns>div{padding:12px 18px;border-left:1px solid var(--rule);min-width:0}
.columns>div:first-child{border-left:0}
.who{font-size:.8rem;color:var(--soft);font-weight:600;margin:0 0 6px;display:flex;
justify-content:space-between;gap:8px}
.verdict{font-weight:650}
pre{margin:0 0 8px;white-space:pre-wrap;overflow-wrap:anywhere;
font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;unicode-bidi:isolate}
.thought{color:var(--soft);border-left:3px solid var(--rule);padding-left:10px;max-height:22em;overflow:auto}
.answer{font-size:.92rem;font-family:inherit;margin-bottom:2px}
.code{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:12.5px}
.recipe{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:14px 16px;margin-top:8px}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:5px 22px;font-size:.9rem;margin:10px 0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
footer{color:var(--soft);font-size:.84rem;padding-top:44px;padding-bottom:56px}
@media screen and (max-width:760px){figure{overflow-x:auto}.chart{min-width:540px}.pair .chart{min-width:0}
.pair{grid-template-columns:1fr}.columns{grid-template-columns:1fr}
.columns>div{border-left:0;border-top:1px solid var(--rule)}.columns>div:first-child{border-top:0}
main,header,footer{padding-left:16px;padding-right:16px}}
"""

PAPER = """
@page{margin:14mm}
body{font-size:10.5pt;background:#fff}header{padding-top:0}
main,header,footer{max-width:none;padding-left:0;padding-right:0}
figure,.card,.sample{box-shadow:none;break-inside:avoid}
h2{break-after:avoid;margin-top:28px}tr{break-inside:avoid}thead{display:table-header-group}
.thought{max-height:none;overflow:visible}.scroll{overflow:visible}
"""


def style_sheet() -> str:
    """All of it."""
    classes = "".join(
        f".line.s{number},.whisker.s{number}{{stroke:var(--s{number});stroke-dasharray:{dash or 'none'}}}"
        f".dot.s{number},.band.s{number}{{fill:var(--s{number})}}"
        for number, dash in enumerate(DASHES)
    )
    return (
        f":root{{{LIGHT}}}@media screen and (prefers-color-scheme:dark){{:root{{{DARK}}}}}"
        f"{RULES}{classes}.whisker{{stroke-dasharray:none!important}}@media print{{{PAPER}}}"
    )
