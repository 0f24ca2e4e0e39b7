/** Colours of workloads; classes h0 and up, since the page's policy allows no style in an element. */
export const HUES = 120;

const HUE_RULES = Array.from({ length: HUES }, (_, i) => `.h${i}{--h:${(i * 360) / HUES}}`).join('');

const COLOURS = `
:root{color-scheme:light dark;--ink:#1b2330;--soft:#586175;--page:#f5f6f9;--card:#fff;--edge:#dde2eb;--free:#e3e7ee;--good:#0a7a54;--saved:#0a7a54;--bad:#b0472c;--link:#1d5fbf;--bar:#8b95aa;--l:58%;--s:62%}
@media(prefers-color-scheme:dark){:root{--ink:#e7eaf2;--soft:#a3adc2;--page:#12161e;--card:#1a2029;--edge:#2f3847;--free:#2a3140;--good:#46c795;--saved:#12563f;--bad:#e08a70;--link:#8ab8ff;--bar:#77829a;--l:56%;--s:48%}}`;

const TEXT = `
*{box-sizing:border-box}html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;overflow-wrap:break-word}
main{max-width:1180px;margin:0 auto;padding:2.2rem 1.6rem 4rem}h1{font-size:1.7rem;line-height:1.2;margin:0;letter-spacing:-.01em}
header p{margin:.4rem 0 1rem;color:var(--soft)}section{margin-top:2.2rem}h2{font-size:1.2rem;margin:0 0 .6rem}h3{font-size:1rem;margin:1.2rem 0 .5rem}h2 small,h3 small{font-weight:400;font-size:.85rem;color:var(--soft);margin-left:.4rem}
section p{color:var(--soft);margin:-.2rem 0 .8rem;max-width:75ch}ul{margin:.2rem 0;padding-left:1.2rem}li{margin:.25rem 0}
code{font:.85em/1.4 ui-monospace,"SF Mono","DejaVu Sans Mono",monospace}a{color:var(--link)}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;list-style:none;margin:0 0 1.4rem;padding:0;font-size:.9rem}
.skip{position:absolute;left:-999px}.skip:focus{left:1rem;top:.6rem;background:var(--card);padding:.4rem .8rem;z-index:1}
:focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:3px}
summary{cursor:pointer;color:var(--link);padding:.3rem 0}td summary{white-space:nowrap}.note{margin:.5rem 0 0;color:var(--soft);max-width:75ch}.note b{color:var(--ink)}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}`;

const FIGURES = `
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,200px),1fr));gap:1rem}
.card{background:var(--card);border:1px solid var(--edge);border-radius:12px;padding:1rem 1.2rem}.card p{margin:0;max-width:none}
.card .name{font-size:.8rem;color:var(--soft);text-transform:uppercase;letter-spacing:.06em}.card .figure{font-size:2rem;font-weight:700;line-height:1.25;letter-spacing:-.02em;color:var(--ink);font-variant-numeric:tabular-nums}
.card .line{color:var(--soft);font-size:.88rem}.saved{background:var(--saved);border-color:var(--saved)}.saved .name,.saved .figure,.saved .line{color:#fff}ul+.cards{margin-top:1rem}.chosen{border:2px solid var(--good)}
.scale{margin:1.4rem 0 .4rem}.cost{display:grid;grid-template-columns:5rem 1fr 6rem;align-items:center;gap:.8rem;margin:.35rem 0;color:var(--soft)}.cost span:last-child{text-align:right;color:var(--ink);font-variant-numeric:tabular-nums}
.track{background:var(--free);border-radius:6px;height:14px;overflow:hidden}.track svg{display:block;width:100%;height:100%}.today{fill:var(--bar)}.planned{fill:var(--good)}
.nodes{display:flex;flex-wrap:wrap;gap:6px;background:var(--card);border:1px solid var(--edge);border-radius:12px;padding:14px}
.node{max-width:100%;padding:2px;border-radius:4px;line-height:0;border:1px solid transparent}.node svg{max-width:100%}.node.removed{border:2px dashed var(--bad)}.node.added{border:2px solid var(--good)}.node.removed svg{opacity:.8}
rect{fill:hsl(var(--h,0) var(--s) var(--l))}rect.free{fill:var(--free)}rect.rest{fill:var(--bar)}.node rect:hover:not(.free){stroke:var(--ink);stroke-width:1}rect.today{fill:var(--bar)}rect.planned{fill:var(--good)}
.legend{color:var(--soft);font-size:.88rem;margin:.8rem 0 0}.legend .node{display:inline-block;width:1.8em;height:.9em;vertical-align:middle;background:var(--free)}`;

const TABLES = `
table{border-collapse:separate;border-spacing:0;width:100%;background:var(--card);border:1px solid var(--edge);border-radius:12px;font-size:.9rem}
th,td{padding:.45rem .9rem;text-align:left;vertical-align:top;border-top:1px solid var(--edge)}thead th{border-top:0;font-weight:600;color:var(--soft);font-size:.8rem}tbody th{font-weight:400}code,tbody th,td{overflow-wrap:anywhere}
.n{text-align:right;font-variant-numeric:tabular-nums}td.n{white-space:nowrap}.less{color:var(--soft)}.more{font-weight:600}td ul{margin:0;padding-left:1.1rem}td small,th small{display:block;color:var(--soft);font-weight:400}
@media(max-width:780px){main{padding:1.4rem 1rem 3rem}h1{font-size:1.4rem}.cost{grid-template-columns:4rem 1fr 5rem;gap:.5rem}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}table,tbody,tr,th,td{display:block}tr{padding:.5rem 0;border-top:1px solid var(--edge)}tbody tr:first-child{border-top:0}
tbody th,td{border:0;padding:.15rem .9rem;overflow-wrap:anywhere}tbody th{font-weight:600}td{display:grid;grid-template-columns:8rem 1fr;gap:.6rem;text-align:left}td:empty{display:none}td::before{content:attr(data-name);color:var(--soft)}td.n{text-align:left;white-space:normal}}`;

const PRINT = `
@media print{:root{--ink:#000;--soft:#333;--page:#fff;--card:#fff;--edge:#999;--free:#e6e6e6;--good:#0a7a54;--saved:#0a7a54;--bad:#b0472c;--link:#000;--bar:#888;--l:58%;--s:62%;color-scheme:light}
body{font-size:11px}h1{font-size:20px}table{font-size:10px}th,td{padding:.25rem .5rem}.cards{grid-template-columns:repeat(4,1fr);gap:.5rem}.card{padding:.5rem .7rem}.card .figure{font-size:18px}.card .line,.card .name{font-size:10px}main{max-width:none;padding:0}nav,.skip{display:none}.card,.node,tr{break-inside:avoid}h2{break-after:avoid}svg,.card,.track{print-color-adjust:exact;-webkit-print-color-adjust:exact}
details::details-content{content-visibility:visible;block-size:auto}summary{list-style:none}}`;

/** The stylesheet of the report's page: light and dark, narrow and wide, screen and print. */
export const STYLE = `${COLOURS}${TEXT}${FIGURES}${TABLES}${PRINT}${HUE_RULES}\n`;
