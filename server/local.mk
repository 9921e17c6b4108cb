# server/: letterlockd, the programs it starts, and the local command.

# the daemon and the local command share these
OBJS_daemon = $(addprefix server/,config.o file.o hostkey.o listen.o net.o \
  proc.o root.o)

PROGRAMS += letterlockd
OBJS_letterlockd = $(OBJS_daemon) $(addprefix server/,letterlockd.o \
  control.o house.o limits.o notify.o pair.o service.o)

# letterlock-sftp
OBJS_sftp = server/sftp_wire.o server/sftp_path.o server/sftp_serve.o
OBJS_letterlock-sftp = server/letterlock-sftp.o $(OBJS_sftp) \
  server/sftp_stream.o server/sftp_box.o
OBJS_test_sftp = $(OBJS_sftp)
OBJS_test_sftp_stream = server/sftp_stream.o
OBJS_fuzz_sftp = $(OBJS_sftp)
