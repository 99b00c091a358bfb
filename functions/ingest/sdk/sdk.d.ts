// Types of Lethe's browser SDK: sdk.mjs, and the global lethe of sdk.js.

export type State = "granted" | "denied";
export type Properties = Record<string, unknown>;
/** By name of a purpose, such as "analytics"; true is granted. */
export type Purposes = Record<string, boolean | State>;
/** Lawful bases of GDPR Art. 6(1). */
export type Basis = "consent" | "contract" | "legal_obligation" | "vital_interests" | "public_task" | "legitimate_interests";

export interface Options {
  /** Where Lethe is. Default: where the SDK was loaded from. */
  host?: string;
  /** What holds for who has said nothing. Default: the project's, for the visitor's country; it is asked of the server, in a request that names nobody. */
  default?: State;
  /** Where ids and consent are kept, once allowed. What waits to be sent is in localStorage for "cookie" too, and in memory for "none". Default: "localStorage". */
  persistence?: "localStorage" | "cookie" | "none";
  /** Domain of the cookie, to have one for several hosts. Default: this host alone. */
  cookieDomain?: string;
  /** Global Privacy Control counts as denied until the person opts in. Default: true. */
  respectGPC?: boolean;
  /** So does Do Not Track. Default: false. */
  respectDNT?: boolean;
  /** Most items of one request. Default: 50; the server takes 2,000. */
  batchSize?: number;
  /** Milliseconds that an item waits for others at most. Default: 5,000. */
  flushInterval?: number;
  /** Most items that wait; the oldest are dropped. Default: 1,000. */
  queueSize?: number;
  /** Milliseconds of the first pause after a failure; it doubles with each. Default: 1,000. */
  retryDelay?: number;
  /** Milliseconds after which the server is asked again whether the person has opted out elsewhere. Default: 300,000. */
  consentInterval?: number;
}

export interface Statement {
  basis?: Basis;
  /** Version of the notice that the person was shown. */
  noticeVersion?: string;
}

/** Starts the SDK. Stores nothing, and sends at most the question what the default is. Throws a TypeError for options that do not exist. */
export function init(token: string, options?: Options): void;
/** Records an event, with its properties and nothing else. Not kept for later where consent is denied. */
export function track(event: string, properties?: Properties): void;
/** Names the person. What was done before on this device is hers; who was named before is somebody else. With the proof that the app's server has made of the id, Lethe takes what is said of her for her own word: her opt-out is heeded on her other devices. */
export function identify(id: string, options?: { proof?: string }): void;
/** Says that another id is the same person as the original; default: this one. */
export function alias(alias: string, original?: string): void;
/** Sets properties of the person's profile. */
export function set(properties: Properties): void;
/** Forgets the person and her consent on this device, say at logout. The mark of an opt-out stays. */
export function reset(): void;
/** Grants consent. Done once the server knows; events may be tracked at once. */
export function optIn(options?: Statement & { purposes?: Purposes }): Promise<void>;
/** Takes consent back. The device is cleared at once, but for the mark and, until the server knows it, the statement; done once it knows. Her other devices learn it if they have a proof of her; what the others send, Lethe drops. With erase her profile is deleted too: a user's only with proof, else that waits for the customer. */
export function optOut(options?: Statement & { purposes?: Purposes; erase?: boolean }): Promise<void>;
/** Whether the person has opted out, here or, as far as it is told, on another device. */
export function hasOptedOut(): boolean;
/** Takes back what was said; the default holds again. */
export function clearConsent(): Promise<void>;
/** Says for which purposes; none granted is an opt-out. */
export function consent(purposes: Purposes, options?: Statement): Promise<void>;
/** Sends what waits, unless the server has asked for a pause. */
export function flush(): Promise<void>;
/** How many items wait, and how many were dropped: there were too many, or they were refused. */
export function stats(): { queued: number; dropped: number };

export as namespace lethe;
