/** A member of a configuration that was not taken as it came. */
export interface Adjustment {
  /** Which: `retryDefaults.maxAttempts`. */
  readonly member: string;
  /** What was there, as JSON, shortened. */
  readonly received: string;
  /** What may be there. */
  readonly allowed: string;
  /** What is used instead; `null` if it was ignored, and changes nothing. */
  readonly used: string | null;
}

/** How the server wants its clients to treat it, as far as it has said so, within what is allowed. */
export interface Configuration {
  /** The defaults of the option `retry`. */
  readonly retryDefaults?: {
    readonly maxAttempts?: number;
    readonly baseDelay?: number;
    readonly backoffMultiplier?: number;
  };
  /** The defaults of the option `breaker`: `consecutiveFailures`, `openMs`, `halfOpenCalls`. */
  readonly circuitBreaker?: {
    readonly failureThreshold?: number;
    readonly recoveryTimeout?: number;
    readonly halfOpenMaxCalls?: number;
  };
  /** Yours to use. */
  readonly errorDisclosure?: { readonly levelThresholds?: Readonly<Record<string, number>> };
  /** Yours to use. */
  readonly businessRules?: {
    readonly highValueCustomerThreshold?: number;
    readonly priorityEscalationEnabled?: boolean;
  };
}
