"""The frame and the style of the drift report's page: screen, phone and paper."""

PAGE = """<!DOCTYPE html>
<html lang="fr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<input type="radio" name="language" id="show-fr" checked><label for="show-fr">Français</label>
<input type="radio" name="language" id="show-en"><label for="show-en">English</label>
<main>
<header><p class="kicker">{heading}</p><h1>{lot}</h1></header>
{body}
</main>
</body>
</html>
"""
STYLE = """
:root { color-scheme: light }
body { font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; color: #1c2128; background: #fff;
  max-width: 860px; margin: 0 auto; padding: 16px }
#show-fr:checked ~ main .en, #show-en:checked ~ main .fr { display: none }
h1 { font-size: 1.5rem; margin: 0 0 .8rem; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin: 0 0 .4rem }
h3 { font-size: 1rem; margin: 0 0 .4rem }
.wide + h3 { margin-top: 1rem }
.kicker { margin: 1rem 0 0; color: #57606a }
section { margin: 0 0 1.6rem }
.synthetic { background: #fff3c4; border: 1px solid #b58900; padding: .5rem .8rem;
  font-weight: 600 }
.verdict { padding: .8rem 1rem; border-left: 6px solid }
.verdict p { margin: .2rem 0 }
.fine { border-color: #1a7f37; background: #eafaef }
.alert { border-color: #b42318; background: #fdeceb }
.big { font-size: 2rem; font-weight: 700; margin: 0; line-height: 1.2 }
.big small { font-size: .9rem; font-weight: 400; margin-left: .6rem }
article { border: 1px solid #d0d7de; border-radius: 6px; padding: .8rem 1rem; margin: 0 0 .8rem;
  break-inside: avoid }
article p { margin: .2rem 0 }
.sure { font-size: .9rem; color: #57606a }
.row { display: grid; grid-template-columns: minmax(0, 15rem) 1fr 9.5rem; gap: 0 .6rem;
  align-items: center; margin: .35rem 0; line-height: 1.3; break-inside: avoid }
.row .name { overflow-wrap: anywhere }
.row .name:empty { display: none }
.row .name:empty ~ .bars { grid-column: span 2 }
.values { white-space: nowrap; text-align: right; font-variant-numeric: tabular-nums }
.legend { font-size: .85rem; color: #57606a; margin: .3rem 0 }
.legend i { display: inline-block; width: .9rem; height: .7rem; margin: 0 .3rem 0 .6rem }
details { margin: .5rem 0 }
summary { cursor: pointer; font-weight: 600; font-size: .95rem }
li { overflow-wrap: anywhere }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: .9rem }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #d0d7de;
  vertical-align: top }
tr.fell td { font-weight: 600; color: #b42318 }
small { font-weight: 400; color: #57606a }
code { overflow-wrap: anywhere }
@media (max-width: 560px) {
  .row { grid-template-columns: 1fr 9.5rem }
  .row .name { grid-column: span 2 }
  .row .name:empty ~ .bars { grid-column: auto }
}
@media print {
  input, label { display: none }
  body { max-width: none; padding: 0; font-size: 11pt }
  .wide { overflow: visible }
}
"""
