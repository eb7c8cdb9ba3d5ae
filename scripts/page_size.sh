#!/usr/bin/env bash
# How large the live page is, all of it, as a browser would get it compressed: it is to stay below 100 kB.
set -euo pipefail
cd "$(dirname "$0")/.."
most=100000
uplot=src/serve/node_modules/uplot/dist
[ -d "$uplot" ] || { echo "page: uPlot is not there: scripts/setup.sh --page" >&2; exit 1; }
total=0
for file in src/serve/web/* "$uplot/uPlot.iife.min.js" "$uplot/uPlot.min.css"; do
  total=$((total + $(gzip -9c "$file" | wc -c)))
done
echo "page: $total bytes compressed, of $most"
[ "$total" -le "$most" ]
