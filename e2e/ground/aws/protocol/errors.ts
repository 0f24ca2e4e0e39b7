/** An unsuccessful answer of AWS: its code as AWS spells it, and its HTTP status. */
export class AwsError extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status = 400) {
    super(message);
    this.name = 'AwsError';
    this.code = code;
    this.status = status;
  }
}

export const invalidValue = (parameter: string, value: string): AwsError =>
  new AwsError('InvalidParameterValue', `Invalid value '${value}' for parameter ${parameter}`);

export const missingParameter = (parameter: string): AwsError =>
  new AwsError('MissingParameter', `The request must contain the parameter ${parameter}`);

/** AWS's answer to a dry run of a call that would have been allowed. */
export const dryRun = (): AwsError =>
  new AwsError('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.', 412);
