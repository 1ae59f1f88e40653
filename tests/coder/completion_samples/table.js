"use strict";

const { isDeepStrictEqual } = require("node:util");
const columns = require("./columns");

const DEFAULTS = {
  header: true,
  width: 80,
  align: { number: "right", string: "left" },
};

/**
 * Draws rows of objects as a table of text.
 * @param {object[]} rows
 * @param {object} [options]
 * @returns {string}
 */
function draw(rows, options = {}) {
  const settings = { ...DEFAULTS, ...options };
  const names = columns.of(rows);
  const widths = names.map((name) => {
    const cells = rows.map((row) => String(row[name] ?? ""));
    return Math.max(name.length, ...cells.map((cell) => cell.length));
  });

  const lines = [];
  if (settings.header) {
    lines.push(names.map((name, index) => name.padEnd(widths[index])).join("  "));
    lines.push(widths.map((width) => "-".repeat(width)).join("  "));
  }
  for (const row of rows) {
    const cells = names.map((name, index) => {
      const value = row[name] ?? "";
      const text = String(value);
      if (settings.align[typeof value] === "right") {
        return text.padStart(widths[index]);
      }
      return text.padEnd(widths[index]);
    });
    lines.push(cells.join("  ").trimEnd());
  }
  return lines.map((line) => line.slice(0, settings.width)).join("\n");
}

function differences(before, after, key) {
  const known = new Map(before.map((row) => [row[key], row]));
  const found = { added: [], changed: [], removed: [] };
  for (const row of after) {
    const old = known.get(row[key]);
    known.delete(row[key]);
    if (!old) {
      found.added.push(row);
    } else if (!isDeepStrictEqual(old, row)) {
      found.changed.push({ from: old, to: row });
    }
  }
  found.removed.push(...known.values());
  return found;
}

async function watch(read, key, report, { every = 1000, signal } = {}) {
  let last = await read();
  report(draw(last));
  while (!signal?.aborted) {
    await new Promise((resolve) => setTimeout(resolve, every));
    const now = await read();
    const { added, changed, removed } = differences(last, now, key);
    // nothing is said when nothing has changed
    if (added.length || changed.length || removed.length) {
      report(draw(now, { header: false }));
    }
    last = now;
  }
}

module.exports = { draw, differences, watch };
