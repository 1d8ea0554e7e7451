"""The style sheet of the HTML report."""

STYLE = """
:root{color-scheme:light dark;--ink:#16202c;--dim:#5a6878;--line:#d9e0e8;--paper:#f6f8fa;--card:#fff;
--good:#0f7b5f;--loss:#b3382c;--warn:#8a5a00}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9aa8b7;--line:#2c3845;--paper:#0e141b;
--card:#161e27;--good:#3ecf9f;--loss:#ff8a7a;--warn:#e6b450}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:860px;margin:0 auto;padding:32px 16px 64px}
h1{margin:.1em 0;font-size:1.9rem;letter-spacing:-.02em}
h2{font-size:1.12rem;margin:.2em 0 .5em}h3{font-size:.95rem;font-weight:600;margin:1em 0 .2em}
em{font-style:normal;color:var(--good)}
.brand{margin:0;font-weight:700;letter-spacing:.08em;text-transform:uppercase;font-size:.78rem;color:var(--good)}
.dim{color:var(--dim);margin:.2em 0 .9em}
.card{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:18px 20px;margin:18px 0}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(120px,1fr));gap:12px;margin:20px 0}
.figures div{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:10px 14px}
dt{color:var(--dim);font-size:.8rem}dd{margin:0;font-size:1.2rem;font-weight:650;font-variant-numeric:tabular-nums}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th{text-align:left;font-weight:500;color:var(--dim);width:32%;vertical-align:top}
th,td{padding:5px 8px 5px 0;border-top:1px solid var(--line);overflow-wrap:anywhere}
pre{overflow:auto;background:var(--paper);border-radius:8px;padding:12px;font-size:.82rem}
summary{cursor:pointer;margin-top:10px}
.status{font-size:.75rem;font-weight:600;border:1px solid;border-radius:99px;padding:1px 9px;vertical-align:2px}
.verified{color:var(--good)}.needs_evaluation{color:var(--warn)}.loses_money{color:var(--loss)}
svg text{font:13px system-ui,sans-serif;fill:var(--ink)}.point{text-anchor:middle}
.bar{fill:var(--good)}.bar.loss,.bar.paid{fill:var(--loss)}.bar.needs_evaluation{fill:var(--warn);opacity:.55}.axis{stroke:var(--line)}
.whisker{stroke:var(--ink);stroke-width:1.4;fill:none;opacity:.7}
"""
