import { Button, Textarea } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { useRef, useState } from "react";
import styles from "./Copyable.module.css";

/** Text to take along, with a button that copies it. */
export function Copyable({ label, text }: { label: string; text: string }) {
  const shown = useRef<HTMLTextAreaElement>(null);
  const [copied, setCopied] = useState(false);

  async function copy() {
    shown.current?.select();
    // Pages that come over plain HTTP have no clipboard, only the selection.
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else document.execCommand("copy");
    setCopied(true);
  }

  return (
    <div className={styles.copyable}>
      <Textarea
        ref={shown}
        label={label}
        value={text}
        readOnly
        autosize
        spellCheck={false}
        classNames={{ input: styles.text }}
      />
      <Button
        className={styles.button}
        size="compact-xs"
        variant="light"
        leftSection={
          copied ? <IconCheck size={14} aria-hidden /> : <IconCopy size={14} aria-hidden />
        }
        aria-label={`Copy ${label.toLowerCase()}`}
        onClick={copy}
      >
        {copied ? "Copied" : "Copy"}
      </Button>
    </div>
  );
}
