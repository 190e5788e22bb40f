/**
 * The word that was most likely meant: the nearest of those that there are, if it is near. Pure.
 *
 * Near is a third of the letters that are wrong, missing, too many or swapped with their neighbour; upper case, and what is no
 * letter or digit, count for nothing. A word that another begins with is as near as one wrong letter.
 */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const given = plain(word);
  if (given === '') return undefined;
  let best: string | undefined;
  let least = Math.max(1, Math.floor(given.length / 3)) + 1;
  for (const one of words) {
    const begins = given.length >= 3 && plain(one).startsWith(given);
    const steps = begins ? 1 : distance(given, plain(one));
    if (steps >= least) continue;
    least = steps;
    best = one;
  }
  return best;
}

function plain(word: string): string {
  // longer ones are no misspelt names, and the comparison is quadratic
  return word
    .slice(0, 64)
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '');
}

/** Letters to insert, leave out, replace or swap until the two are the same. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const isSame = a[i - 1] === b[j - 1];
      let steps = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (isSame ? 0 : 1));
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwapped) steps = Math.min(steps, before[j - 2]! + 1);
      row.push(steps);
    }
    before = last;
    last = row;
  }
  return last[b.length]!;
}
