// Epoch milliseconds as a person reads them, in UTC. By arithmetic: the domain has no Date, which would also know what time it is.

const DAY_MS = 86_400_000;

/** `hh:mm:ss`: where the day is on the page already. */
export function clockText(ms: number): string {
  const seconds = Math.floor(ms / 1000) % 86_400;
  return [seconds / 3600, (seconds / 60) % 60, seconds % 60].map((part) => two(Math.floor(part))).join(':');
}

/** `yyyy-mm-dd hh:mm:ss`. Counted from 1 March of year 0, so that the leap day is the last of its year. */
export function timeText(ms: number): string {
  const days = Math.floor(ms / DAY_MS) + 719_468;
  const era = Math.floor(days / 146_097);
  const ofEra = days - era * 146_097;
  const year = Math.floor((ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365);
  const ofYear = ofEra - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const fromMarch = Math.floor((5 * ofYear + 2) / 153);
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const day = ofYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  return `${year + era * 400 + (month <= 2 ? 1 : 0)}-${two(month)}-${two(day)} ${clockText(ms)}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
