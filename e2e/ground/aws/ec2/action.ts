import type { Form } from '../form.ts';
import type { Region } from '../region.ts';
import type { Xml } from '../xml.ts';

/** One action of EC2: a request and the region in, the body of the answer out. Throws AwsError. */
export type Ec2Action = (form: Form, region: Region) => Xml;

export const isoTime = (at: number): string => new Date(at).toISOString();
