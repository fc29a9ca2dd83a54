import { Alert, Button } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";

/** An error in the API's own words, with another try where that makes sense. */
export function Failure({ error, retry }: { error: Error; retry?: () => unknown }) {
  return (
    <Alert color="red" icon={<IconAlertTriangle aria-hidden />} title={error.message} role="alert">
      {retry && (
        <Button size="xs" variant="light" color="red" onClick={() => retry()}>
          Try again
        </Button>
      )}
    </Alert>
  );
}
