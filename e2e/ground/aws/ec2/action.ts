import type { Form } from '../protocol/form.ts';
import type { Xml } from '../protocol/xml.ts';
import type { Region } from '../region.ts';

/** One action of EC2: a request and the region in, the body of the answer out. Throws AwsError. */
export type Ec2Action = (form: Form, region: Region) => Xml;

export const isoTime = (at: number): string => new Date(at).toISOString();
