import { Alert, Badge, Button, Card, Group, Skeleton, Stack, Text, Title } from "@mantine/core";
import { IconBellOff } from "@tabler/icons-react";
import { useState } from "react";
import { ruleWords } from "../alertWords";
import { useAlertRules, useCameraName, useMay } from "../api/queries";
import type { AlertRule } from "../api/types";
import { Dialog } from "../components/Dialog";
import { EmptyState } from "../components/EmptyState";
import { Failure } from "../components/Failure";
import { PageHeader } from "../components/PageHeader";
import { RuleForm } from "../components/RuleForm";

/** Who is told about whom, where and when. */
export function AlertRulesPage() {
  const [open, setOpen] = useState<AlertRule | "new">();
  const mayChange = useMay("admin");
  const close = () => setOpen(undefined);
  return (
    <>
      <PageHeader title="Alert rules">
        {mayChange && <Button onClick={() => setOpen("new")}>Add rule</Button>}
      </PageHeader>
      <Text maw="46rem" mb="md">
        A visit of somebody makes one alert at most, however long it lasts and however many rules
        tell of it.
      </Text>
      <Rules onOpen={mayChange ? setOpen : undefined} />
      <Dialog
        opened={open !== undefined}
        onClose={close}
        title={open === "new" ? "Add rule" : "Change rule"}
        size="lg"
      >
        {open && <RuleForm rule={open === "new" ? undefined : open} onDone={close} />}
      </Dialog>
    </>
  );
}

function Rules({ onOpen }: { onOpen: ((rule: AlertRule) => void) | undefined }) {
  const rules = useAlertRules();
  const cameraName = useCameraName();
  if (rules.isPending) return <Skeleton height={160} role="progressbar" aria-label="Loading" />;
  if (!rules.data) return <Failure error={rules.error} retry={rules.refetch} />;
  if (rules.data.length === 0) {
    return (
      <EmptyState icon={IconBellOff} title="No rules">
        Nobody is told of anything.
      </EmptyState>
    );
  }
  return (
    <Stack component="ul" p={0} m={0} maw="46rem" style={{ listStyle: "none" }}>
      {rules.data.every(({ enabled }) => enabled === false) && (
        <Alert component="li" color="orange" title="Every rule is switched off">
          Nobody is told of anything.
        </Alert>
      )}
      {rules.data.map((rule) => (
        <Card key={rule.id} component="li" withBorder>
          <Group justify="space-between" wrap="nowrap" align="start">
            <div>
              <Group gap="xs">
                <Title order={2} fz="md">
                  {rule.name}
                </Title>
                {rule.enabled === false && (
                  <Badge variant="light" color="gray">
                    Off
                  </Badge>
                )}
              </Group>
              <Text fz="sm" mt={4}>
                {ruleWords(rule, cameraName)}
              </Text>
            </div>
            {onOpen && (
              <Button variant="default" size="xs" flex="none" onClick={() => onOpen(rule)}>
                Change
              </Button>
            )}
          </Group>
        </Card>
      ))}
    </Stack>
  );
}
