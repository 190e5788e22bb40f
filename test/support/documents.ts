/** Reads documents: their headings, links and tables, and what comments cite. Pure, but for what lists files. */
import { readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** Folders without documents or code of ours. */
const ELSEWHERE = new Set(['node_modules', 'dist', 'coverage', '.git']);

/** Files under a folder, by their paths from it, in order. */
export function filesUnder(folder: string, endings: readonly string[]): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry): string[] => {
      if (ELSEWHERE.has(entry.name)) return [];
      if (entry.isDirectory())
        return filesUnder(join(folder, entry.name), endings).map((file) => join(entry.name, file));
      return endings.some((ending) => entry.name.endsWith(ending)) ? [entry.name] : [];
    })
    .sort();
}

/** A document without its code blocks: what stands in them is no markdown. */
export function withoutCode(markdown: string): string {
  return markdown.replace(/^( *)(```|~~~)[^]*?^ *\2.*$/gm, '');
}

/** The anchors of a document's headings, as GitHub makes them. */
export function anchorsOf(markdown: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading] of withoutCode(markdown).matchAll(/^#{1,6} +(.+?) *$/gm)) {
    const text = heading!.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/`/g, '');
    const slug = text
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replace(/ /g, '-');
    let anchor = slug;
    for (let n = 1; anchors.has(anchor); n += 1) anchor = `${slug}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** Where the links of a document lead: `path#anchor`, `path` or `#anchor`; those to other sites are left out. */
export function linksOf(markdown: string): string[] {
  const text = withoutCode(markdown).replace(/`[^`\n]*`/g, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^[a-z]+:/i.test(target));
}

/** Documents of this tree, by path: their anchors. Other files and folders are there, and have no anchors. */
export interface Tree {
  documents: ReadonlyMap<string, ReadonlySet<string>>;
  exists: (path: string) => boolean;
}

/** Why a link of this document leads nowhere, or undefined. */
export function linkTrouble(from: string, link: string, tree: Tree): string | undefined {
  const [path, anchor] = link.split('#', 2) as [string, string?];
  return targetTrouble(path === '' ? from : normalize(join(dirname(from), path)), anchor, tree);
}

/** Why a citation (`path#anchor`, the path from the root of the tree) leads nowhere, or undefined. */
export function citationTrouble(citation: string, tree: Tree): string | undefined {
  const [path, anchor] = citation.split('#', 2) as [string, string?];
  return targetTrouble(path, anchor, tree);
}

function targetTrouble(path: string, anchor: string | undefined, { documents, exists }: Tree) {
  if (!exists(path)) return `there is no ${path}`;
  if (anchor === undefined) return undefined;
  return documents.get(path)?.has(anchor) ? undefined : `${path} has no heading #${anchor}`;
}

/** The comments of a file, one text: of TypeScript and JavaScript, Lua, or shell. */
export function commentsOf(file: string, source: string): string {
  if (/\.m?[jt]s$/.test(file)) {
    const blocks = [...source.matchAll(/\/\*[^]*?\*\//g)].map(([text]) => text);
    const lines = [...source.matchAll(/(?:^|\s)\/\/ .*$/gm)].map(([text]) => text);
    return [...blocks, ...lines].join('\n');
  }
  const begin = file.endsWith('.lua') ? '--' : '#';
  return [...source.matchAll(new RegExp(`(?:^|\\s)${begin} .*$`, 'gm'))].map(([text]) => text).join('\n');
}

/** The documents that comments cite: `lua/README.md#lanes`. */
export function citationsOf(comments: string): string[] {
  return [...comments.matchAll(/[\w./-]*\w\.md\b(?:#[\w-]*\w)?/g)].map(([citation]) => citation);
}

/** Paths of this tree that a document names in backticks, such as `src/base/keys.ts` or `lua/lib/`. */
export function pathsIn(markdown: string): string[] {
  return [...withoutCode(markdown).matchAll(/`((?:src|lua|scripts|test|docs|examples)\/[\w./-]*)`/g)].map(
    ([, path]) => path!,
  );
}

/** A step of a walk: an item that begins with the path of a file, and the functions of it that it names, `like()`. */
export interface Step {
  file: string;
  functions: string[];
}

export function stepsOf(markdown: string): Step[] {
  const items = [...markdown.matchAll(/^\d+\. +`([^`]+)`([^]*?)(?=^\d+\. |^\S|(?![^]))/gm)];
  return items.map(([, file, text]) => ({
    file: file!,
    functions: [...text!.matchAll(/`(\w+)\(\)`/g)].map(([, name]) => name!),
  }));
}

/** The text of a section, without its heading, up to the next heading of its level or above. */
export function section(markdown: string, heading: string): string {
  const begin = markdown.search(new RegExp(`^#+ ${heading}$`, 'm'));
  if (begin < 0) throw new Error(`no heading "${heading}"`);
  const level = /^#+/.exec(markdown.slice(begin))![0].length;
  const body = markdown.slice(markdown.indexOf('\n', begin) + 1);
  const end = body.search(new RegExp(`^#{1,${level}} `, 'm'));
  return end < 0 ? body : body.slice(0, end);
}

/** The rows of every table in a text, without headers; cells without backticks, `\|` as `|`. */
export function rowsOf(markdown: string): string[][] {
  const lines = markdown.split('\n').filter((line) => /^ *\|/.test(line));
  const isRule = (line: string | undefined): boolean => line !== undefined && /^ *\|[ :|-]+\|$/.test(line);
  return lines
    .filter((line, i) => !isRule(line) && !isRule(lines[i + 1]))
    .map((line) =>
      line
        .trim()
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim().replace(/`/g, '').replace(/\\\|/g, '|')),
    );
}
