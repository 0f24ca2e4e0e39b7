const DIGITS = 10;
const DECIMALS = 22;
/** What is less is what sums of prices are off by; a machine of a capacity reservation costs a hundred times this. */
const LEAST = 1e-12;

/** A price in USD as text: ten significant digits and never an exponent, which the patterns of the CRDs refuse. */
export const formatPrice = (price: number): string => {
  const rounded = Number(price.toPrecision(DIGITS));
  const size = Math.abs(rounded);
  if (size < LEAST) return '0';
  return size < 1e-6 ? rounded.toFixed(DECIMALS).replace(/0+$/, '') : String(rounded);
};
