/** What the pictures of the tools have in common: SVG that reads on light and on dark. */

/** @param size of the picture, in its own units */
export function svgOf(
  title: string,
  size: { width: number; height: number; left: number },
  parts: readonly string[],
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" role="img" aria-label="${escape(title)}" ` +
      `font-family="system-ui, sans-serif" font-size="13">`,
    '<style>text { fill: #57606a } .grid { stroke: #8b949e; stroke-opacity: .3 } ' +
      '@media (prefers-color-scheme: dark) { text { fill: #b1bac4 } }</style>',
    `<text x="${size.left}" y="22" font-size="15">${escape(title)}</text>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

/** A coordinate. */
export function at(value: number): string {
  return value.toFixed(1);
}

export function escape(text: string): string {
  return text.replace(/[<>&"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
