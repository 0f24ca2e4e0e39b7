import { valueAt } from './records/valueat.ts';

/**
 * Kubernetes quantities, exact: a decimal number with a suffix n u m k M G T P E, Ki to Ei, or an exponent e3 / E3.
 * Input finer than a nano unit is rounded up, as in resource.Quantity. The API server takes pods with 1e99999 or a million
 * digits, so no text costs more than a scan, and what is larger than all machines together is read as LARGEST.
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

const SHAPE = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+)|(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]?))$/;

/** Rounds a/b towards positive infinity; b is positive. */
const divideUp = (a: bigint, b: bigint): bigint => {
  const quotient = a / b;
  return a > 0n && a % b !== 0n ? quotient + 1n : quotient;
};

/** More bytes or millicores than all clusters have, and safe to add up as a number. */
const LARGEST_EXPONENT = 30;
const LARGEST: NanoUnits = 10n ** BigInt(LARGEST_EXPONENT) * NANO;
/** Digits behind the last nano unit that can still matter: Ei shifts by 19 digits. */
const GUARD_DIGITS = 20;

const shown = (text: string): string => (text.length > 40 ? `${text.slice(0, 40)}…` : text);

/** The size of digits times 10^exponent, shifted by `shift` bits, rounded up to a nano unit. */
const sizeOf = (allDigits: string, exponent: number, shift: bigint): NanoUnits => {
  const digits = allDigits.replace(/^0+/, '');
  /** The size is below 10^magnitude, and at least a tenth of that. */
  const magnitude = digits.length + exponent;
  if (digits === '') return 0n;
  if (magnitude > LARGEST_EXPONENT) return LARGEST;
  if (magnitude < -9 - GUARD_DIGITS) return 1n;
  const kept = digits.slice(0, magnitude + 9 + GUARD_DIGITS);
  const isCut = /[1-9]/.test(digits.slice(kept.length));
  const scaled = BigInt(isCut ? `${kept}1` : kept) << shift;
  const power = magnitude - kept.length - Number(isCut) + 9;
  const size = power >= 0 ? scaled * 10n ** BigInt(power) : divideUp(scaled, 10n ** BigInt(-power));
  return size > LARGEST ? LARGEST : size;
};

/** Reads a quantity exactly, up to LARGEST. Throws a QuantityError. */
export const parseQuantity = (quantity: string): NanoUnits => {
  // Custom resources such as NodePools hold numbers where others hold texts.
  const text = String(quantity);
  const match = SHAPE.exec(text);
  const whole = match?.[2] ?? '';
  const fraction = match?.[3] ?? '';
  if (!match || whole + fraction === '') {
    throw new QuantityError(`'${shown(text)}' is not a quantity such as 250m, 1.5Gi or 1e3.`);
  }
  const suffix = match[5] ?? '';
  const exponent = match[4] === undefined ? (valueAt(DECIMAL_EXPONENT, suffix) ?? 0) : Number(match[4]);
  const size = sizeOf(whole + fraction, exponent - fraction.length, valueAt(BINARY_SHIFT, suffix) ?? 0n);
  return match[1] === '-' ? -size : size;
};

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
