/** Colours of workloads; classes h0 and up, since the page's policy allows no style in an element. */
export const HUES = 120;

const HUE_RULES = Array.from({ length: HUES }, (_, i) => `.h${i}{--h:${(i * 360) / HUES}}`).join('');

/** The stylesheet of the report's page: light and dark, screen and print. */
export const STYLE = `
:root{color-scheme:light dark;--ink:#1b2330;--soft:#67718a;--page:#f5f6f9;--card:#fff;--edge:#e2e6ee;--free:#e6e9f0;--good:#0d8a5f;--bad:#c2573c;--l:58%;--s:62%}
@media(prefers-color-scheme:dark){:root{--ink:#e7eaf2;--soft:#98a2b8;--page:#12161e;--card:#1a2029;--edge:#2a3240;--free:#2a3140;--good:#46c795;--bad:#e08a70;--l:56%;--s:48%}}
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif}
main{max-width:1180px;margin:0 auto;padding:2.4rem 1.6rem 4rem}h1{font-size:1.7rem;line-height:1.2;margin:0;letter-spacing:-.01em}
header p{margin:.4rem 0 1.6rem;color:var(--soft)}h2{font-size:1.15rem;margin:0 0 .7rem}h2 small{font-weight:400;font-size:.85rem;color:var(--soft);margin-left:.5rem}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:1rem}.card{background:var(--card);border:1px solid var(--edge);border-radius:12px;padding:1rem 1.2rem}
.card h3{margin:0;font-size:.8rem;font-weight:500;color:var(--soft);text-transform:uppercase;letter-spacing:.06em}.card b{display:block;font-size:2rem;line-height:1.25;letter-spacing:-.02em;font-variant-numeric:tabular-nums}.card span{display:block;color:var(--soft);font-size:.85rem}
.saved{background:var(--good);border-color:var(--good)}.saved,.saved h3,.saved span{color:#fff}
.scale{margin:1.6rem 0 .4rem}.line{display:grid;grid-template-columns:5rem 1fr 6rem;align-items:center;gap:.8rem;margin:.35rem 0}.line label{color:var(--soft)}.line span{text-align:right;font-variant-numeric:tabular-nums}
.track{background:var(--free);border-radius:6px;height:14px;overflow:hidden}.track svg{display:block;width:100%;height:100%}.today{fill:#8b95aa}.planned{fill:var(--good)}
.bound{margin:.6rem 0 0;color:var(--soft)}.bound b{color:var(--ink)}section{margin-top:2.2rem}
.nodes{display:flex;flex-wrap:wrap;gap:6px;background:var(--card);border:1px solid var(--edge);border-radius:12px;padding:14px}
.node{padding:2px;border-radius:4px;line-height:0;border:1px solid transparent}.node.removed{border-color:var(--bad)}.node.added{border-color:var(--good)}.node.removed svg{opacity:.8}
.node rect{fill:hsl(var(--h,0) var(--s) var(--l))}.node rect.free{fill:var(--free)}.node rect:hover:not(.free){stroke:var(--ink);stroke-width:1}
.legend{color:var(--soft);font-size:.85rem;margin:.8rem 0 0}.legend .node{display:inline-block;width:1.6em;height:.8em;vertical-align:middle;background:var(--free)}
table{border-collapse:collapse;background:var(--card);border:1px solid var(--edge);border-radius:12px;overflow:hidden;font-size:.9rem}.wide{width:100%}
th,td{padding:.4rem .9rem;text-align:left;vertical-align:top;border-top:1px solid var(--edge)}thead th{border-top:0;font-weight:500;color:var(--soft);font-size:.8rem}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.less{color:var(--soft)}.more{font-weight:600}code{font:.85em/1.4 ui-monospace,"SF Mono","DejaVu Sans Mono",monospace}section p{color:var(--soft);margin:-.3rem 0 .8rem}
@media print{body{background:#fff}.card,.nodes,table{break-inside:avoid}}${HUE_RULES}
`;
