// Which child names of a base path are versions: absl::SimpleAtoi of the name (reference §3, s031).

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** The number a child's name spells, or undefined: "007", "+3", " 4" and "-6" do, "0x7" and "8.tmp" do not. */
export function versionOfChild(name: string): bigint | undefined {
  const match = /^[ \t\n\v\f\r]*([+-]?)([0-9]+)[ \t\n\v\f\r]*$/.exec(name);
  if (match === null) return undefined;
  const number = BigInt(match[2] ?? '') * (match[1] === '-' ? -1n : 1n);
  return number >= INT64_MIN && number <= INT64_MAX ? number : undefined;
}
