/** The order of names in which `node-2` comes before `node-10`: numbers in them count as numbers. Pure. */
export function naturally(a: string, b: string): number {
  const [left, right] = [partsOf(a), partsOf(b)];
  for (let i = 0; i < Math.min(left.length, right.length); i += 1) {
    const [one, other] = [left[i]!, right[i]!];
    if (one === other) continue;
    const areNumbers = /^\d/.test(one) && /^\d/.test(other);
    const difference = areNumbers ? Number(one) - Number(other) : 0;
    // two may be too large for numbers, or the same with zeros before them
    return difference || (one < other ? -1 : 1);
  }
  return left.length - right.length;
}

/** Its runs of digits, and what is between them. */
function partsOf(name: string): string[] {
  return name.match(/\d+|\D+/g) ?? [];
}
