import { Modal, type ModalProps } from "@mantine/core";
import { useBackCloses } from "../back";

/** A dialog over the page, which Back closes too. */
export function Dialog(props: ModalProps) {
  useBackCloses(props.opened, props.onClose);
  return <Modal {...props} />;
}
