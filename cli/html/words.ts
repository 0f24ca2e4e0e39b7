const NUMBER = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

export const formatNumber = (value: number): string => NUMBER.format(value);

/** '$1,234', '?' for an unknown amount. */
export const formatUsd = (usd: number | null): string => (usd === null ? '?' : `$${NUMBER.format(usd)}`);

/** '1 node', '1,234 nodes'. */
export const formatCount = (count: number, noun: string): string =>
  `${NUMBER.format(count)} ${noun}${count === 1 ? '' : 's'}`;

export const sum = <T>(list: readonly T[], amountOf: (item: T) => number): number =>
  list.reduce((total, item) => total + amountOf(item), 0);
