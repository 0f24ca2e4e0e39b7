import { valueAt } from './records/valueat.ts';

/**
 * Kubernetes quantities, exact: a decimal number with a suffix n u m k M G T P E, Ki to Ei, or an exponent e3 / E3.
 * Input finer than a nano unit is rounded up, as in resource.Quantity.
 */

/** A quantity that can't be read; the message is one sentence that names it. */
export class QuantityError extends Error {
  override readonly name = 'QuantityError';
}

/** An exact amount, in billionths of a unit. */
export type NanoUnits = bigint;

const NANO = 1_000_000_000n;
const MILLI = 1_000_000n;

const DECIMAL_EXPONENT: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const BINARY_SHIFT: Readonly<Record<string, bigint>> = {
  Ki: 10n,
  Mi: 20n,
  Gi: 30n,
  Ti: 40n,
  Pi: 50n,
  Ei: 60n,
};

const SHAPE = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4})|(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]?))$/;

/** Rounds a/b towards positive infinity; b is positive. */
const divideUp = (a: bigint, b: bigint): bigint => {
  const quotient = a / b;
  return a > 0n && a % b !== 0n ? quotient + 1n : quotient;
};

/** Reads a quantity exactly. Throws a QuantityError. */
export const parseQuantity = (text: string): NanoUnits => {
  const match = typeof text === 'string' ? SHAPE.exec(text) : null;
  const whole = match?.[2] ?? '';
  const fraction = match?.[3] ?? '';
  if (!match || whole + fraction === '') {
    throw new QuantityError(`'${String(text)}' is not a quantity such as 250m, 1.5Gi or 1e3.`);
  }
  const digits = BigInt(whole + fraction);
  const suffix = match[5] ?? '';
  const shift = valueAt(BINARY_SHIFT, suffix);
  const exponent =
    (match[4] === undefined ? (valueAt(DECIMAL_EXPONENT, suffix) ?? 0) : Number(match[4])) - fraction.length;
  const scaled = shift === undefined ? digits : digits << shift;
  const power = exponent + 9;
  const size = power >= 0 ? scaled * 10n ** BigInt(power) : awayFromZero(scaled, 10n ** BigInt(-power));
  return match[1] === '-' ? -size : size;
};

const awayFromZero = (size: bigint, by: bigint): bigint => (size + by - 1n) / by;

const PLAIN = /^(\d{1,12})(Ki|Mi|Gi|m)?$/;

/** CPU in whole millicores, rounded up. Throws a QuantityError. */
export const cpuMillis = (text: string): number => {
  const plain = PLAIN.exec(text);
  if (plain && (plain[2] === undefined || plain[2] === 'm')) return Number(plain[1]) * (plain[2] ? 1 : 1000);
  return Number(divideUp(parseQuantity(text), MILLI));
};

/** A quantity in whole units, rounded up: bytes, or a count. Throws a QuantityError. */
export const wholeUnits = (text: string): number => {
  const plain = PLAIN.exec(text);
  if (plain && plain[2] === undefined) return Number(plain[1]);
  if (plain && plain[2] !== 'm' && (plain[1] ?? '').length < 6) {
    return Number(plain[1]) * (plain[2] === 'Ki' ? 1024 : plain[2] === 'Mi' ? 1_048_576 : 1_073_741_824);
  }
  return Number(divideUp(parseQuantity(text), NANO));
};

/** Memory or storage in bytes, rounded up. Throws a QuantityError. */
export const bytes = wholeUnits;

/** A quantity in kube-scheduler's units: CPU in millicores, all else in whole units, rounded up. Throws a QuantityError. */
export const amount = (resource: string, text: string): number =>
  resource === 'cpu' ? cpuMillis(text) : wholeUnits(text);

/** Writes millicores as a CPU quantity: 250m, 4. */
export const formatCpu = (millicores: number): string =>
  millicores % 1000 === 0 ? String(millicores / 1000) : `${millicores}m`;

const UNITS = ['Ei', 'Pi', 'Ti', 'Gi', 'Mi', 'Ki'] as const;

const FROM_SMALLEST = UNITS.toReversed();

/** Writes bytes as a memory quantity, with the largest binary unit that keeps it exact: 1536Mi, 4Gi, 1000. */
export const formatBytes = (size: number): string => {
  if (Number.isSafeInteger(size) && size > 0) {
    let [whole, unit] = [size, 0];
    while (whole % 1024 === 0 && unit < FROM_SMALLEST.length) [whole, unit] = [whole / 1024, unit + 1];
    return `${whole}${FROM_SMALLEST[unit - 1] ?? ''}`;
  }
  const exact = BigInt(size);
  for (const unit of UNITS) {
    const shift = BINARY_SHIFT[unit] ?? 0n;
    if (exact !== 0n && exact % (1n << shift) === 0n) return `${exact >> shift}${unit}`;
  }
  return String(exact);
};

/** Writes a number from `amount` as a quantity. */
export const formatAmount = (resource: string, value: number): string => {
  if (resource === 'cpu') return formatCpu(value);
  return resource === 'memory' || resource.includes('storage') || resource.startsWith('hugepages-')
    ? formatBytes(value)
    : String(value);
};
